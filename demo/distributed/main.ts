// npm run demo:distributed -- --cluster redis --nodes 3: starts a store and nodes, lets them share jobs, kills the leader, and proves that nothing
// was lost. With CLUSTER_TYPE in its environment the same program is one node, as deploy/ runs it in containers.
if (process.env["CLUSTER_TYPE"] === undefined) await import("./show-main.ts");
else await import("./node-main.ts");
