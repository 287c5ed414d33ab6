import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debianPackages, isDebianRoot } from "./debian-packages.ts";
import { findPrograms } from "./find-programs.ts";
import type { Installer } from "./locate.ts";
import { runProgram } from "./run-program.ts";

/** The folder in a kind's cache that `mavenPackages` fills with jars. */
export function jarFolder(cache: string): string {
  return join(cache, "jars");
}

/** The folder in a kind's cache that `mavenFiles` fills. */
export function fileFolder(cache: string): string {
  return join(cache, "files");
}

/** `group:artifact:version`, with all that they need at run time, from Maven Central into the cache. For anybody with Maven; root on Debian gets it. */
export function mavenPackages(...coordinates: readonly string[]): Installer {
  return fromMaven("copy-dependencies", jarFolder, coordinates);
}

/** What lies in them, in place of the jars. */
export function mavenFiles(...coordinates: readonly string[]): Installer {
  return fromMaven("unpack-dependencies", fileFolder, coordinates);
}

function fromMaven(goal: string, folderIn: (cache: string) => string, coordinates: readonly string[]): Installer {
  return {
    isPossible: () => hasMaven() || isDebianRoot(),
    install: async (cache) => {
      if (!hasMaven()) await debianPackages("maven", "default-jre-headless").install(cache);
      const draft = join(cache, "draft");
      rmSync(draft, { recursive: true, force: true });
      mkdirSync(draft);
      writeFileSync(join(draft, "pom.xml"), pom(coordinates));
      const args = ["-q", "-B", "-f", join(draft, "pom.xml"), `dependency:${goal}`, "-DincludeScope=runtime"];
      await runProgram("mvn", [...args, `-DoutputDirectory=${join(draft, "got")}`]);
      rmSync(folderIn(cache), { recursive: true, force: true });
      renameSync(join(draft, "got"), folderIn(cache));
      rmSync(draft, { recursive: true });
    },
  };
}

function hasMaven(): boolean {
  return findPrograms(["mvn"]) !== undefined && findPrograms(["java"]) !== undefined;
}

function pom(coordinates: readonly string[]): string {
  const dependencies = coordinates.map((text) => {
    const [group = "", artifact = "", version = ""] = text.split(":");
    return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  });
  const self =
    "<groupId>jobferry</groupId><artifactId>servers</artifactId><version>1</version><packaging>pom</packaging>";
  return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>${self}<dependencies>${dependencies.join("")}</dependencies></project>\n`;
}
