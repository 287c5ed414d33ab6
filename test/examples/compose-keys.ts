/** The names of the Compose Specification (https://github.com/compose-spec/compose-spec), as far as our files use it: docker compose refuses every other one. */
type Fields = Readonly<Record<string, unknown>>;

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

const TOP = words("version name include services models networks volumes secrets configs");
const SERVICE = words(`
  annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name cpu_count cpu_percent cpu_period cpu_quota
  cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec depends_on deploy develop device_cgroup_rules devices dns dns_opt dns_search domainname
  entrypoint env_file environment expose extends external_links extra_hosts gpus group_add healthcheck hostname image init ipc isolation label_file labels
  links logging mac_address mem_limit mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable oom_score_adj pid pids_limit
  platform ports post_start pre_stop privileged profiles provider pull_policy pull_refresh_after read_only restart runtime scale secrets security_opt shm_size
  stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volumes volumes_from working_dir`);
const BUILD = words(`
  additional_contexts args cache_from cache_to context dockerfile dockerfile_inline entitlements extra_hosts isolation labels network no_cache platforms
  privileged provenance pull sbom secrets shm_size ssh tags target ulimits`);
const HEALTHCHECK = words("disable interval retries start_interval start_period test timeout");
const DEPENDENCY = words("condition required restart");
const VOLUME = words("driver driver_opts external labels name");

const CONDITION = /^service_(started|healthy|completed_successfully)$/;
const RESTART = /^(no|always|on-failure(:\d+)?|unless-stopped)$/;
const DURATION = /^(\d+(h|m|s|ms|us))+$/;
const FORMS: Readonly<Record<string, RegExp>> = {
  condition: CONDITION,
  ...{ interval: DURATION, timeout: DURATION, start_period: DURATION, start_interval: DURATION },
  ...{ stop_grace_period: DURATION, pull_refresh_after: DURATION },
};

const mapsIn = (value: unknown): readonly (readonly [string, Fields])[] =>
  Array.isArray(value) ? [] : Object.entries(Object(value) as Fields).map(([name, map]) => [name, Object(map)]);

/** Keys of one map that are not known, and values of those of a fixed form that have another one. */
function faultsIn(where: string, map: Fields, known: ReadonlySet<string>): readonly string[] {
  return Object.entries(map).flatMap(([key, value]) => {
    const at = `${where}.${key}`;
    if (!known.has(key)) return key.startsWith("x-") ? [] : [`${at} is not known`];
    const form = FORMS[key];
    return form === undefined || form.test(String(value)) ? [] : [`${at} is ${JSON.stringify(value)}`];
  });
}

function faultsOfService(where: string, service: Fields): readonly string[] {
  const { build, healthcheck, depends_on: dependsOn, restart = "no" } = service;
  return [
    ...faultsIn(where, service, SERVICE),
    ...(RESTART.test(String(restart)) ? [] : [`${where}.restart is ${JSON.stringify(restart)}`]),
    ...(typeof build === "string" ? [] : faultsIn(`${where}.build`, Object(build) as Fields, BUILD)),
    ...faultsIn(`${where}.healthcheck`, Object(healthcheck) as Fields, HEALTHCHECK),
    ...mapsIn(dependsOn).flatMap(([name, how]) => faultsIn(`${where}.depends_on.${name}`, how, DEPENDENCY)),
  ];
}

/** What docker compose would refuse, with where it stands. */
export function composeFaults(compose: Fields): readonly string[] {
  return [
    ...faultsIn("", compose, TOP),
    ...mapsIn(compose["services"]).flatMap(([name, service]) => faultsOfService(`.services.${name}`, service)),
    ...mapsIn(compose["volumes"]).flatMap(([name, volume]) => faultsIn(`.volumes.${name}`, volume, VOLUME)),
  ];
}
