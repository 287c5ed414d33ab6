/**
 * What opening says of a place that takes connections and only ends them, or stays silent: a server that starts or stops does that, and so do other
 * products and the ports that servers have for each other. `own`: the port that is meant.
 */
export function mayBeAnother(own: string, isSecure: boolean): string {
  return `Another product or port${isSecure ? ", or one without TLS," : ""} may listen there: ${own}.`;
}

/** Of Node.js. */
export function isHangUp(code: string | undefined): boolean {
  return code === "ECONNRESET" || code === "EPIPE";
}
