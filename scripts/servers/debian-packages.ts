import { existsSync, readdirSync, statSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Installer } from "./locate.ts";
import { runProgram } from "./run-program.ts";

const LOCK_WAIT = ["-o", "DPkg::Lock::Timeout=600"];
const LISTS = "/var/lib/apt/lists";
const FRESH = 12 * 60 * 60 * 1000;
const UPDATE_TRIES = 120;

/** Packages of the machine's own Debian, for root. Whoever installs at the same time is waited for. */
export function debianPackages(...packages: readonly string[]): Installer {
  return {
    isPossible: isDebianRoot,
    async install() {
      await updateLists();
      const args = [...LOCK_WAIT, "install", "-y", "-q", "--no-install-recommends", ...packages];
      await runProgram("apt-get", args, { env: { DEBIAN_FRONTEND: "noninteractive" } });
    },
  };
}

export function isDebianRoot(): boolean {
  return process.getuid?.() === 0 && existsSync("/etc/debian_version") && existsSync("/usr/bin/apt-get");
}

let update: Promise<void> | undefined;

/** Once for all kinds of this process. `apt-get update` does not wait for its lock, so it is tried again. */
function updateLists(): Promise<void> {
  update ??= (async () => {
    if (areFresh()) return;
    for (let tries = 1; ; tries++) {
      try {
        await runProgram("apt-get", [...LOCK_WAIT, "update", "-q"]);
        return;
      } catch (error) {
        if (tries === UPDATE_TRIES || !String(error).includes("Could not get lock")) throw error;
        await delay(1_000);
      }
    }
  })();
  return update;
}

function areFresh(): boolean {
  const lists = existsSync(LISTS) ? readdirSync(LISTS).filter((name) => name.includes("_Packages")) : [];
  return lists.length > 0 && Date.now() - statSync(LISTS).mtimeMs < FRESH;
}
