// A fleet that looks like one: for pictures, and for tests that look at a page full of things.

const MINUTE_MS = 60_000;
const IMAGES = ["debian:12-slim", "node:22-bookworm", "python:3.13", "ghcr.io/acme/agent-workspace:2.4"];
const REGIONS = ["eu-1", "eu-2", "us-east", "ap-south"];

/** A fleet of so many; the first ones have troubles. */
export function sampleFleet(size) {
  return Array.from({ length: size }, (_, index) => sample(index, size));
}

/** An hour of a sandbox, with a pause in it. */
export function sampleHistory() {
  const end = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  return Array.from({ length: 60 }, (_, minute) => minute)
    .filter((minute) => minute < 21 || minute > 25)
    .map((minute) => ({
      at: new Date(end - (59 - minute) * MINUTE_MS).toISOString(),
      cpuPercent: Math.round(100 * (28 + 18 * Math.sin(minute / 7) + 9 * Math.sin(minute * 1.7) + (minute > 44 && minute < 49 ? 38 : 0))) / 100,
      memoryMB: Math.round(620 + 9 * minute + 40 * Math.sin(minute / 3) - (minute > 25 ? 210 : 0)),
    }));
}

/** Events of that fleet, the newest first. */
export function sampleEvents() {
  const all = [
    ["registered", "box-0000"], ["reported", "box-0000"], ["started", "box-0004"], ["process-failed", "box-0001", "indexer", "exit status 137: out of memory"],
    ["process-recovered", "box-0001", "indexer"], ["restarted", "box-0001"], ["collector-failed", "box-0001", "git", "wall-timeout: took longer than 1 s"],
    ["lost", "box-0000"], ["stopped", "box-0003"], ["overdue", "box-0002"], ["process-failed", "box-0001", "indexer", "exit status 1: cannot open /workspace/index: Permission denied"],
  ];
  return all
    .map(([type, sandboxId, name, detail], index) => ({ id: index + 1, at: ago((all.length - index) * 247), sandboxId, type, name, detail }))
    .reverse();
}

function sample(index, size) {
  const number = String(index).padStart(4, "0");
  const liveness = index === 0 || index === 37 ? "lost" : index === 2 || index % 211 === 7 ? "never-reported" : index === 3 || index % 97 === 11 ? "stopped" : "live";
  const failed = index === 1 || index % 173 === 5;
  const base = {
    id: `box-${number}`,
    name: ["checkout-review", "indexer-nightly", "fresh-workspace", "docs-preview", "agent-refactor-auth"][index] ?? `workspace-${number}`,
    status: { "never-reported": "pending", stopped: "stopped" }[liveness] ?? "running",
    image: IMAGES[index % IMAGES.length],
    createdAt: ago(90_000 + index * 10),
    metadata: { team: ["payments", "search", "platform"][index % 3], region: REGIONS[index % REGIONS.length] },
    liveness,
    livenessSince: ago(liveness === "lost" ? 340 : 5400 + index),
    overdue: index === 2 ? true : undefined,
  };
  if (liveness === "never-reported") return base;
  const seed = (index * 7919) % 997;
  return {
    ...base,
    agentInfo: {
      lastHeartbeat: ago(liveness === "lost" ? 432 : liveness === "stopped" ? 2400 : seed % 28),
      ipAddress: `10.4.${index % 200}.${seed % 250}`,
      hostname: `sbx-${(seed * 104729).toString(36)}`,
      metrics: { cpuPercent: failed ? 93.4 : (seed % 610) / 10, memoryMB: failed ? 1938 : 180 + (seed % 1400), memoryLimitMB: 2048, sessionCount: seed % 4 },
      uptimeSecs: 4000 + seed * 61,
      timestamp: ago(3),
      agentVersion: "0.1.0",
      bootId: `0f3c${number}`,
      seq: 400 + index,
      intervalSecs: 30,
      expectedSecs: 30,
      health: { processes: 3, processesFailed: failed ? 1 : 0, collectors: 4, collectorsFailed: index === 1 ? 1 : 0 },
      metadata: { "git.branch": "main", "git.commit": "4f2a91c07be1", "os.version": "Debian GNU/Linux 12 (bookworm)", region: REGIONS[index % 4] },
    },
    trigger: "interval",
    gap: index === 1 ? { missed: 3, firstFailure: ago(1300), lastError: "connection refused" } : undefined,
    resources: resources(failed),
    metrics: metrics(),
    processes: processes(failed),
    plugins: plugins(index === 1),
    rejected: index === 1 ? [{ plugin: "net", name: "system-bad", reason: "the name contains '-'; letters, digits, `_` and `.` are allowed", count: 2 }] : undefined,
  };
}

function resources(failed) {
  const stall = (avg10) => ({ avg10, avg60: avg10 / 2, avg300: avg10 / 5, totalSecs: 41.2 + avg10 });
  return {
    cpuSource: "cgroup2", memorySource: "cgroup2", cpuLimitCores: 2, memoryLimitMB: 2048, cpuTimeSecs: 8123.4, memoryUsageBytes: 1_702_887_424,
    cpuThrottling: { periods: 50_000, throttledPeriods: failed ? 9_300 : 120, throttledSecs: failed ? 412.7 : 3.1 },
    oomKills: failed ? 2 : 0, pids: 87, pidsLimit: 512, openFiles: 431,
    pressure: { cpu: { some: stall(failed ? 34.1 : 2.4) }, memory: { some: stall(0.3), full: stall(0.1) }, io: { some: stall(1.7), full: stall(1.2) } },
    disks: [
      { path: "/", sizeBytes: 42_949_672_960, usedBytes: 18_253_611_008, availableBytes: 22_000_000_000, inodes: 2_621_440, inodesUsed: 402_113 },
      { path: "/workspace", sizeBytes: 10_737_418_240, usedBytes: 9_876_543_210, availableBytes: 860_875_030 },
    ],
  };
}

function processes(failed) {
  return {
    codex: { status: "running", phase: "ready", restartCount: 0, pid: 4121, uptimeMs: 5_400_000 },
    indexer: failed
      ? { status: "error", phase: "backing-off", restartCount: 7, exitCode: 1, nextRestartMs: 14_000, lastError: "exit status 1: cannot open /workspace/index: Permission denied" }
      : { status: "running", phase: "ready", restartCount: 1, pid: 4180, uptimeMs: 4_100_000, exitSignal: "SIGKILL", outOfMemory: true, lastError: "killed: out of memory" },
    web: { status: "running", phase: "ready", restartCount: 0, baseUrl: "http://127.0.0.1:8000", pid: 4130, uptimeMs: 5_390_000 },
  };
}

function plugins(failed) {
  const plugin = (name, more = {}) => ({
    name, version: "0.1.0", world: "sandbeat:collector@0.1.0", digest: "sha256:9f86d081884c7d65", state: "active", calls: 431, failures: 0, pointsRejected: 0,
    failuresByName: {}, durationMs: { last: 0.8, p50: 0.6, p99: 2.3 }, peakMemoryBytes: 1_310_720, grants: ["read /proc/net/dev"], ...more,
  });
  return [
    plugin("disk", { grants: [] }),
    failed
      ? plugin("git", { state: "failing", failure: "wall-timeout", reason: "one call took longer than 1 s", failures: 12, restsForMs: 8000, grants: ["read directories below /workspace", "environment HOME"], durationMs: { last: 1001, p50: 640, p99: 1002 } })
      : plugin("git", { grants: ["read directories below /workspace", "environment HOME"], lastError: { failure: "trap", reason: "a panic in collect", at: ago(4000) }, failures: 1 }),
    plugin("load"),
    plugin("net"),
  ];
}

function metrics() {
  const net = ["eth0", "lo"].flatMap((device) =>
    ["receive", "transmit"].map((direction) => metric("system.network.io", "counter", device === "lo" ? 88_412 : 1_288_490_188, "By", "net", { "network.interface.name": device, "network.io.direction": direction })),
  );
  return [
    metric("git.changed_files", "gauge", 14, "{file}", "git"),
    metric("git.scan.duration", "histogram", { bounds: [0.01, 0.05, 0.1, 0.5, 1], counts: [210, 160, 40, 12, 3, 1], sum: 21.4 }, "s", "git"),
    metric("system.cpu.load_average.1m", "gauge", 1.43, "1", "load"),
    metric("system.cpu.load_average.5m", "gauge", 0.97, "1", "load"),
    ...net,
    metric("system.network.packets", "counter", 14_209_331, "{packet}", "net", { "network.interface.name": "eth0" }),
  ];
}

function metric(name, kind, value, unit, plugin, attributes) {
  return { name, kind, value, unit, attributes, plugin, ageMs: 12 };
}

function ago(seconds) {
  return new Date(Date.now() - seconds * 1000).toISOString();
}
