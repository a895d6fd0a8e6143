// Made by `npm run generate` from openapi/*.json; not to be edited.

export interface paths {
    "/api/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What happened to all sandboxes and to the hub's view of them. As JSON, a page of what is stored, the newest first. With `Accept: text/event-stream`, server-sent events: `id` is the event's number, `event` its type and `data` the event, from now on or after the one that `Last-Event-ID` or `after` names; `reset` when not all of those are kept, and `beats` where they are wanted. */
        get: operations["list_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/fleet": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How many sandboxes stand how. */
        get: operations["get_fleet"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sandboxes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Sandboxes in the order of their ids, a page at a time. */
        get: operations["list_sandboxes"];
        put?: never;
        /** Registers a sandbox. The answer shows its token, this once. */
        post: operations["register_sandbox"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sandboxes/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One sandbox, with all that its last report said. */
        get: operations["get_sandbox"];
        put?: never;
        post?: never;
        /** Forgets a sandbox and its token. What it still reports is refused. */
        delete: operations["delete_sandbox"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sandboxes/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The same of one sandbox, also of one that is deleted, as long as anything of it is kept. */
        get: operations["list_sandbox_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sandboxes/{id}/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The last hour of a sandbox, minute by minute. */
        get: operations["get_history"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sandboxes/{id}/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes a report of a sandbox, with its own token. */
        post: operations["post_status"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sandboxes/{id}/token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives a sandbox a new token. The present one goes on for a while, so that its agent can be told the new one. */
        post: operations["rotate_token"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** That the hub answers; for whoever watches over it, without a key. */
        get: operations["get_health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The hub's own figures for Prometheus: OpenMetrics where `Accept` names it, else the text format 0.0.4. With `metrics_per_sandbox` in the hub's configuration, the base figures of each sandbox as well. */
        get: operations["get_metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This description. */
        get: operations["get_description"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description What the agent said last. */
        AgentInfo: {
            agentVersion?: string;
            bootId?: string;
            /**
             * Format: double
             * @description When the next report is expected after the last one, in seconds: what the hub directed, or what the agent keeps.
             */
            expectedSecs: number;
            health: components["schemas"]["SandboxHealth"];
            hostname: string;
            /**
             * Format: double
             * @description What the agent says that it keeps, in seconds.
             */
            intervalSecs?: number;
            /** @description Where from, as the hub saw it. */
            ipAddress: string;
            /**
             * Format: date-time
             * @description When it was heard, by the hub's clock.
             */
            lastHeartbeat: string;
            /** @description What it reported, where `metadata` of the sandbox is what was registered; not in a list. */
            metadata?: {
                [key: string]: string;
            };
            metrics: components["schemas"]["SandboxMetrics"];
            /** Format: int64 */
            seq?: number;
            /**
             * Format: date-time
             * @description When it made the report, by its own clock.
             */
            timestamp: string;
            /**
             * Format: int64
             * @description The agent's, in seconds.
             */
            uptimeSecs: number;
        };
        /** @description How far the compilation of a component is. */
        Compiling: {
            /**
             * Format: int64
             * @description Functions that are compiled.
             */
            compiled: number;
            /**
             * Format: int64
             * @description Milliseconds since its turn came; absent while it waits for another one to be compiled.
             */
            elapsedMs?: number;
            /**
             * Format: int64
             * @description All of its functions, once they are counted.
             */
            functions?: number;
        };
        /** @description It is done. */
        Deleted: {
            success: boolean;
        };
        /** @description The file system at a path. */
        Disk: {
            /**
             * Format: int64
             * @description What the agent's user could still write, in bytes.
             */
            availableBytes: number;
            /**
             * Format: int64
             * @description How many files it can hold; absent where there is no such limit.
             */
            inodes?: number;
            /**
             * Format: int64
             * @description How many it holds.
             */
            inodesUsed?: number;
            /** @description As configured. */
            path: string;
            /**
             * Format: int64
             * @description Its size, in bytes.
             */
            sizeBytes: number;
            /**
             * Format: int64
             * @description What is in use of it, in bytes.
             */
            usedBytes: number;
        };
        /** @description How long the calls of a collector took, in milliseconds: waiting included, the time until its turn not. */
        Durations: {
            /**
             * Format: double
             * @description The last call.
             */
            last: number;
            /**
             * Format: double
             * @description The median of the last calls, 256 at most.
             */
            p50: number;
            /**
             * Format: double
             * @description Of the same calls, what 99 of 100 did not exceed.
             */
            p99: number;
        };
        /** @description One event. */
        Event: {
            /**
             * Format: date-time
             * @description When, by the hub's wall clock; RFC 3339 in UTC with milliseconds.
             */
            at: string;
            /** @description More, for a person; at most 1,024 bytes. */
            detail?: string;
            /**
             * Format: int64
             * @description Its number; 0 until it is stored.
             */
            id: number;
            /** @description Which process or collector; at most 255 bytes, without control characters. */
            name?: string;
            /** @description Whose; absent where it concerns the hub as a whole. */
            sandboxId?: string;
            /** @description What. */
            type: components["schemas"]["Kind"];
        };
        /** @description A page of events. */
        EventList: {
            /** @description The newest first. */
            events: components["schemas"]["Event"][];
            /** @description To be sent as `cursor` for older ones; absent where there are none. */
            nextCursor?: string;
        };
        /** @description Sandboxes of which something fails, as their last reports say; however they stand. */
        FailingCounts: {
            /** @description Either. */
            any: number;
            /** @description A collector is `failing`, `quarantined` or `rejected`. */
            collectors: number;
            /** @description A process is in `error`. */
            processes: number;
        };
        /**
         * @description The name of what went wrong in a collect or a load.
         * @enum {string}
         */
        Failure: "cpu-timeout" | "wall-timeout" | "memory" | "stack" | "output" | "trap" | "denied" | "files" | "http" | "invalid" | "collector" | "unknown";
        /** @description The fleet in numbers. */
        Fleet: {
            failing: components["schemas"]["FailingCounts"];
            liveness: components["schemas"]["LivenessCounts"];
            /** @description Of those that have never reported, the ones that should have by now. */
            overdue: number;
            /**
             * Format: double
             * @description Reports that were taken per second, over the last ten seconds.
             */
            reportsPerSec: number;
            /** @description Of the live ones, those that have been silent for too long while the hub doubts its own network. */
            suspect: number;
            /**
             * Format: date-time
             * @description Since when it doubts.
             */
            suspectSince?: string;
            /** @description All sandboxes. */
            total: number;
        };
        /** @description Reports that did not arrive. */
        Gap: {
            /**
             * Format: date-time
             * @description When the first attempt failed, by the sandbox's wall clock; absent when none did, because the server was slower than the reports.
             */
            firstFailure?: string;
            /** @description How the last attempt failed; for a person, at most 300 bytes. Absent with `first_failure`. */
            lastError?: string;
            /**
             * Format: int64
             * @description How many reports were made since the last accepted one and will never arrive. One whose answer was lost is among them, though the server may have it.
             */
            missed: number;
        };
        /** @description That the hub answers. */
        Health: {
            /**
             * @description `ok`, always.
             * @example ok
             */
            status: string;
            /**
             * Format: date-time
             * @description Now, by the hub's clock.
             */
            timestamp: string;
            /**
             * @description The hub's version.
             * @example 0.1.0
             */
            version: string;
        };
        /** @description Measurements by bucket. */
        Histogram: {
            /** @description Inclusive upper bounds, strictly increasing; a last bucket without one follows them. */
            bounds: number[];
            /** @description Measurements per bucket, not cumulative: one more entry than `bounds`. */
            counts: number[];
            /**
             * Format: double
             * @description The sum of all measurements, in the metric's unit.
             */
            sum: number;
        };
        /** @description The last hour of a sandbox. */
        History: {
            /** @description The oldest first; minutes without a report are left out. */
            points: components["schemas"]["HistoryPoint"][];
            /**
             * Format: int32
             * @description The width of a point, in seconds.
             * @example 60
             */
            stepSecs: number;
        };
        /** @description One minute; what was not measured in it is absent. */
        HistoryPoint: {
            /**
             * Format: date-time
             * @description Its beginning, by the hub's clock.
             */
            at: string;
            /**
             * Format: double
             * @description The highest CPU use that was reported in it, in percent of what the sandbox may use.
             */
            cpuPercent?: number;
            /**
             * Format: int64
             * @description The highest memory use that was reported in it, in MiB.
             */
            memoryMB?: number;
        };
        /**
         * @description What happened.
         * @enum {string}
         */
        Kind: "registered" | "deleted" | "token-rotated" | "reported" | "overdue" | "lost" | "recovered" | "stopped" | "started" | "restarted" | "process-failed" | "process-recovered" | "collector-failed" | "collector-recovered" | "suppressed" | "suspect" | "trusted";
        /** @description A failure, kept after it is over. */
        LastError: {
            /**
             * Format: date-time
             * @description When, by the sandbox's wall clock.
             */
            at: string;
            /** @description Its name. */
            failure: components["schemas"]["Failure"];
            /** @description In words, for a person. */
            reason: string;
        };
        /** @description The last time that a plugin's files were read. */
        LastReload: {
            /**
             * Format: date-time
             * @description When, by the sandbox's wall clock.
             */
            at: string;
            /** @description What came of it. */
            result: components["schemas"]["ReloadResult"];
        };
        /** @description The parts of the last report that are too long for a list; none of them before the first report. */
        LastReport: {
            /** @description The hub keeps no more than its base, because all reports together would take too much memory (`report_memory`); the rest is shown empty. */
            dropped?: boolean;
            gap?: components["schemas"]["Gap"];
            metrics?: components["schemas"]["ReportedMetric"][];
            /** @description What of that is not known, so that it is shown empty. */
            missing?: components["schemas"]["Part"][];
            plugins?: components["schemas"]["PluginStatus"][];
            processes?: {
                [key: string]: components["schemas"]["ProcessStatus"];
            };
            rejected?: components["schemas"]["Rejected"][];
            resources?: components["schemas"]["Resources"];
            resumed?: components["schemas"]["Resumed"];
            stopping?: boolean;
            trigger?: components["schemas"]["Trigger"];
            /** @description What it left out, so that it is shown from an earlier one. */
            unchanged?: components["schemas"]["Part"][];
        };
        /**
         * @description Whether a sandbox is heard.
         * @enum {string}
         */
        Liveness: "never-reported" | "live" | "lost" | "stopped";
        /** @description Sandboxes by liveness. */
        LivenessCounts: {
            live: number;
            lost: number;
            neverReported: number;
            stopped: number;
        };
        /** @description A measured value; every number in it is finite. */
        Measurement: {
            /** @enum {string} */
            kind: "gauge";
            /**
             * Format: double
             * @description What something is right now.
             */
            value: number;
        } | {
            /** @enum {string} */
            kind: "counter";
            /**
             * Format: double
             * @description A total that only grows until its source starts again.
             */
            value: number;
        } | {
            /** @enum {string} */
            kind: "histogram";
            /** @description A distribution over buckets. */
            value: components["schemas"]["Histogram"];
        };
        /** @description One data point. */
        Metric: components["schemas"]["Measurement"] & {
            /** @description Dimensions, such as `network.interface.name` = `eth0`. */
            attributes?: {
                [key: string]: string;
            };
            /** @description For example `system.network.io`. */
            name: string;
            /** @description The unit in UCUM's notation, such as `By`, `s` or `{packet}`. */
            unit: string;
        };
        /**
         * @description A part of a report that can be left out.
         * @enum {string}
         */
        Part: "metadata" | "plugins";
        /**
         * @description Where a plugin stands.
         * @enum {string}
         */
        PluginState: "compiling" | "active" | "failing" | "quarantined" | "rejected" | "unknown";
        /** @description A plugin at one moment. */
        PluginStatus: {
            /**
             * Format: int64
             * @description Finished calls of `collect`, failed ones included, since the agent started.
             */
            calls?: number;
            /** @description While its component, or the one that is to replace it, is compiled. */
            compiling?: components["schemas"]["Compiling"];
            /** @description `sha256:` and the digest in hexadecimal of the component at work, or of the file where none is. */
            digest?: string;
            /** @description How long its calls took, once there was one. */
            durationMs?: components["schemas"]["Durations"];
            /** @description The name of the last failure, while it stands in the way. */
            failure?: components["schemas"]["Failure"];
            /**
             * Format: int64
             * @description Calls of `collect` that failed.
             */
            failures?: number;
            /** @description The same by name. */
            failuresByName?: {
                [key: string]: number;
            };
            /** @description The grants in force, one line each. */
            grants?: string[];
            /** @description The last failure, kept after it is over. */
            lastError?: components["schemas"]["LastError"];
            /** @description The last time that its files were read. */
            lastReload?: components["schemas"]["LastReload"];
            /** @description The file's name without `.wasm`. */
            name: string;
            /**
             * Format: int64
             * @description The most memory that one of its instances has had, in bytes.
             */
            peakMemoryBytes?: number;
            /**
             * Format: int64
             * @description Metrics and metadata entries that were not accepted from it, since the agent started.
             */
            pointsRejected?: number;
            /** @description The last failure in words, for a person. */
            reason?: string;
            /**
             * Format: int64
             * @description Milliseconds until it is called again at the earliest, while it rests after failures.
             */
            restsForMs?: number;
            /** @description Where it stands. */
            state: components["schemas"]["PluginState"];
            /** @description The collector's own version, once it has been described. */
            version?: string;
            /** @description The version of the collector world that it was built for. */
            world?: string;
        };
        /** @description Pressure stall information. Source: the kernel's `Documentation/accounting/psi.rst`. */
        Pressure: {
            /** @description Waiting for CPU. */
            cpu?: components["schemas"]["Stalls"];
            /** @description Waiting for I/O. */
            io?: components["schemas"]["Stalls"];
            /** @description Waiting for memory. */
            memory?: components["schemas"]["Stalls"];
        };
        /** @description The body of every error. */
        Problem: {
            /**
             * Format: int32
             * @description The HTTP status.
             * @example 400
             */
            code: number;
            /**
             * @description The path of the field that it is about, where it is about one.
             * @example memoryMB
             */
            details?: string;
            /**
             * @description What is wrong and what to do, for a person.
             * @example memoryMB: invalid value: integer `-5`, expected u64
             */
            message: string;
        };
        /**
         * @description Where in its life a process is. `docs/supervision.md` says which state goes with each.
         * @enum {string}
         */
        ProcessPhase: "waiting" | "starting" | "ready" | "unhealthy" | "stopping" | "backing-off" | "exited" | "gave-up";
        /**
         * @description Whether a process does its work. The three words are those of existing clients.
         * @enum {string}
         */
        ProcessState: "running" | "stopped" | "error" | "unknown";
        /** @description A supervised process at one moment. */
        ProcessStatus: {
            /** @description Where it serves, as configured. */
            baseUrl?: string;
            /**
             * Format: int32
             * @description The exit code of its last run that has ended, where it ended with one.
             */
            exitCode?: number;
            /** @description The signal that ended its last run, such as `SIGKILL`, where one did. */
            exitSignal?: string;
            /** @description Why it is, or last was, in `error`; for a person. */
            lastError?: string;
            /**
             * Format: int64
             * @description Milliseconds until it is started again, while it is `backing-off`.
             */
            nextRestartMs?: number;
            /** @description Whether the kernel sent that signal because memory ran out. */
            outOfMemory?: boolean;
            /** @description Where in its life it is. */
            phase?: components["schemas"]["ProcessPhase"];
            /**
             * Format: int32
             * @description Its process id while it runs.
             */
            pid?: number;
            /**
             * Format: int32
             * @description Starts after the first one.
             */
            restartCount?: number;
            /** @description Whether it does its work. */
            status: components["schemas"]["ProcessState"];
            /**
             * Format: int64
             * @description Milliseconds since its last start, while it runs.
             */
            uptimeMs?: number;
        };
        /** @description The answer to a registration. */
        Registered: {
            sandbox: components["schemas"]["Sandbox"];
            /**
             * @description Opens the sandbox's status route and nothing else. It is shown this once; the hub keeps a hash of it.
             * @example f1d2d2f924e986ac86fdf7b36c94bcdf32beec15c2b1d1b8f1d2d2f924e986ac
             */
            token: string;
        };
        /** @description What a registration may say; all of it is optional. Other fields are passed over: clients of other servers send some. */
        Registration: {
            /**
             * @description Letters, digits and `-`; a UUID where nothing is said.
             * @example sbox-1
             */
            id?: string;
            /**
             * @description What the sandbox is started from, as its owner calls it.
             * @example debian:12
             */
            image?: string;
            /**
             * @description What its owner wants to know of it: 32 entries and 8,192 bytes at most. Keys have letters, digits and `_.-/`.
             * @example {
             *       "team": "a"
             *     }
             */
            metadata?: {
                [key: string]: string;
            };
            /** @description For a person; the id where nothing is said. */
            name?: string;
        };
        /** @description Something that did not make it into a report, and why. Equal ones are counted, not repeated. */
        Rejected: {
            /**
             * Format: int64
             * @description How many in this report.
             */
            count: number;
            /** @description The metric's or metadata entry's name, shortened and escaped where it is itself the fault. */
            name: string;
            /** @description The plugin that it came from; absent for the operator's own. */
            plugin?: string;
            /** @description What is wrong with it, for a person. */
            reason: string;
        };
        /**
         * @description What came of a file or sidecar that was new, changed, or asked to be read again.
         * @enum {string}
         */
        ReloadResult: "loaded" | "unchanged" | "refused" | "unknown";
        /** @description One status report. */
        Report: {
            /** @description The version of sandbeat that made the report. */
            agentVersion?: string;
            /** @description Random, one per start of the agent; with `seq` it identifies a report. */
            bootId?: string;
            /**
             * Format: double
             * @description Used CPU, in percent of what the sandbox may use (0 to 100); absent until there are two samples.
             */
            cpuPercent?: number;
            /** @description Reports before this one did not arrive. */
            gap?: components["schemas"]["Gap"];
            /** @description The sandbox's host name. */
            hostname?: string;
            /**
             * Format: double
             * @description Seconds between reports.
             */
            intervalSecs?: number;
            /**
             * Format: int64
             * @description The working set (memory in use without inactive file pages), in MiB, rounded.
             */
            memoryMB?: number;
            /** @description Facts that are not numbers: the operator's, then the collectors'. */
            metadata?: {
                [key: string]: string;
            };
            /** @description What the collectors measured, by plugin, name and attributes. */
            metrics?: components["schemas"]["ReportedMetric"][];
            /** @description The plugins, by name. */
            plugins?: components["schemas"]["PluginStatus"][];
            /** @description The supervised processes, by name. */
            processes?: {
                [key: string]: components["schemas"]["ProcessStatus"];
            };
            /** @description What is missing above because it was not acceptable. */
            rejected?: components["schemas"]["Rejected"][];
            /** @description What the sandbox may use, and what of it is in use. */
            resources?: components["schemas"]["Resources"];
            /** @description The sandbox stood still, and nothing has been accepted since. */
            resumed?: components["schemas"]["Resumed"];
            /** @description The sandbox's id at the control plane. */
            sandboxId: string;
            /**
             * Format: int64
             * @description Counts the reports of this `boot_id` from 1.
             */
            seq?: number;
            /**
             * Format: int32
             * @description Established inbound connections on the configured session ports.
             */
            sessionCount?: number;
            /** @description `running`, and `stopped` in the last report. */
            status: components["schemas"]["SandboxStatus"];
            /** @description The agent has been asked to end and is stopping its processes. */
            stopping?: boolean;
            /**
             * Format: date-time
             * @description When the report was made, by the sandbox's wall clock; RFC 3339 in UTC with milliseconds.
             */
            timestamp: string;
            /** @description Why the report was made now. */
            trigger?: components["schemas"]["Trigger"];
            /** @description What is left out because it is as it was in an earlier report of this `boot_id`, which the server said it keeps. */
            unchanged?: components["schemas"]["Part"][];
            /**
             * Format: int64
             * @description Whole seconds since the agent started, from a monotonic clock.
             */
            uptimeSecs: number;
        };
        /** @description A collector's metric in a report. */
        ReportedMetric: components["schemas"]["Metric"] & {
            /**
             * Format: int64
             * @description Milliseconds between the measurement and the making of the report.
             */
            ageMs: number;
            /** @description The plugin that measured it. */
            plugin: string;
        };
        /** @description What the sandbox may use, and what of it is in use. Absent: unknown, or not limited. */
        Resources: {
            /**
             * Format: double
             * @description Cores that the sandbox may use: the least of quota, cpuset and machine.
             */
            cpuLimitCores?: number;
            /** @description Where the figures come from: `cgroup2`, `cgroup1` or `machine`, for CPU. */
            cpuSource?: string;
            /** @description How often and how long the CPU quota held the sandbox back. */
            cpuThrottling?: components["schemas"]["Throttling"];
            /**
             * Format: double
             * @description CPU time that the sandbox has used, in seconds, since its control group was made or the machine started.
             */
            cpuTimeSecs?: number;
            /** @description File systems, in the order of the configuration. */
            disks?: components["schemas"]["Disk"][];
            /**
             * Format: int64
             * @description Memory that the sandbox may use, in MiB: the least of its limits and the machine's memory.
             */
            memoryLimitMB?: number;
            /** @description Where the figures come from: `cgroup2`, `cgroup1` or `machine`, for memory. */
            memorySource?: string;
            /**
             * Format: int64
             * @description Memory in use with all its file pages, in bytes; what the limit is held against.
             */
            memoryUsageBytes?: number;
            /**
             * Format: int64
             * @description Processes of the sandbox that the kernel killed for want of memory, since its control group was made.
             */
            oomKills?: number;
            /**
             * Format: int64
             * @description File descriptors that its processes have open.
             */
            openFiles?: number;
            /**
             * Format: int64
             * @description Tasks (processes and their threads) of the sandbox.
             */
            pids?: number;
            /**
             * Format: int64
             * @description The most tasks that it may have: the least of its limits.
             */
            pidsLimit?: number;
            /** @description How long tasks of the sandbox waited for CPU, memory and I/O. */
            pressure?: components["schemas"]["Pressure"];
        };
        /** @description The sandbox stood still: it was suspended, or its processes were. */
        Resumed: {
            /**
             * Format: date-time
             * @description When the agent noticed that it is over, by the wall clock.
             */
            at: string;
            /**
             * Format: int64
             * @description For how long, as far as its clocks tell, in milliseconds.
             */
            suspendedMs: number;
        };
        /** @description A new token. */
        Rotated: {
            /**
             * Format: date-time
             * @description Until when the one before it goes on, by the hub's clock; absent where there was none, because the sandbox had been registered by its first report. Reports without a token, where they have been welcome, go on as long.
             */
            previousUntil?: string;
            /**
             * @description It is shown this once; the hub keeps a hash of it.
             * @example f1d2d2f924e986ac86fdf7b36c94bcdf32beec15c2b1d1b8f1d2d2f924e986ac
             */
            token: string;
        };
        /** @description What a rotation may say. */
        Rotation: {
            /**
             * Format: double
             * @description How long the present token goes on, in seconds; 0 ends it, and any before it, at once. `token_overlap` of the hub's configuration when nothing is said.
             * @example 3600
             */
            overlapSecs?: number;
        };
        /** @description A sandbox as it stands in a list. */
        Sandbox: {
            /** @description Absent before the first report. */
            agentInfo?: components["schemas"]["AgentInfo"];
            /**
             * Format: date-time
             * @description When it was registered, by the hub's clock; RFC 3339 in UTC with milliseconds.
             */
            createdAt: string;
            /** @description Letters, digits and `-`. */
            id: string;
            /** @description What it was started from, as its owner calls it. */
            image?: string;
            /** @description Whether it is heard, judged by the hub's clock alone. */
            liveness: components["schemas"]["Liveness"];
            /**
             * Format: date-time
             * @description Since when.
             */
            livenessSince: string;
            /** @description What was registered with it. */
            metadata: {
                [key: string]: string;
            };
            /** @description For a person; the id where none was given. */
            name: string;
            /** @description It should have reported by now; only ever together with `never-reported`. */
            overdue?: boolean;
            /** @description `pending` before the first report, then what the last one said. */
            status: components["schemas"]["Status"];
            /** @description It has been silent for too long, but so have so many others that the hub doubts its own network; only ever together with `live`. */
            suspect?: boolean;
        };
        /** @description A sandbox alone, with everything that its last report said. */
        SandboxDetails: components["schemas"]["Sandbox"] & components["schemas"]["LastReport"];
        /** @description How many processes and collectors there are, and how many of them fail. */
        SandboxHealth: {
            /** Format: int32 */
            collectors: number;
            /**
             * Format: int32
             * @description `failing`, `quarantined` or `rejected`.
             */
            collectorsFailed: number;
            /** Format: int32 */
            processes: number;
            /**
             * Format: int32
             * @description In `error`.
             */
            processesFailed: number;
        };
        /** @description The base figures; what was not measured is absent. */
        SandboxMetrics: {
            /**
             * Format: double
             * @description Of what the sandbox may use.
             */
            cpuPercent?: number;
            /**
             * Format: int64
             * @description What it may use, in MiB.
             */
            memoryLimitMB?: number;
            /**
             * Format: int64
             * @description The working set, in MiB.
             */
            memoryMB?: number;
            /** Format: int32 */
            sessionCount?: number;
        };
        /**
         * @description What the sandbox says of itself.
         * @enum {string}
         */
        SandboxStatus: "running" | "stopped";
        /** @description A part of the fleet, in the order of ids. */
        Sandboxes: {
            /** @description To be sent as `cursor` for what follows; absent on the last page. */
            nextCursor?: string;
            sandboxes: components["schemas"]["Sandbox"][];
            /** @description All that match, on whichever page. */
            total: number;
        };
        /** @description One sandbox. */
        Shown: {
            sandbox: components["schemas"]["SandboxDetails"];
        };
        /** @description How much of the time it was so. */
        Stall: {
            /**
             * Format: double
             * @description In percent, over the last 10 s.
             */
            avg10: number;
            /**
             * Format: double
             * @description In percent, over the last 300 s.
             */
            avg300: number;
            /**
             * Format: double
             * @description In percent, over the last 60 s.
             */
            avg60: number;
            /**
             * Format: double
             * @description In all, in seconds.
             */
            totalSecs: number;
        };
        /** @description The stalls of one resource. */
        Stalls: {
            /** @description All tasks waited at once; absent where the kernel does not tell. */
            full?: components["schemas"]["Stall"];
            /** @description At least one task waited. */
            some: components["schemas"]["Stall"];
        };
        /**
         * @description The status that clients see.
         * @enum {string}
         */
        Status: "pending" | "running" | "stopped";
        /** @description The answer to a report. */
        Taken: {
            /**
             * @description What the next report may be: `delta`, one that leaves out what has not changed.
             * @example [
             *       "delta"
             *     ]
             */
            accepts?: string[];
            /** @description It, or a later one of the same start, was there already; nothing changed. */
            duplicate?: boolean;
            /**
             * Format: double
             * @description When to report next, in seconds; absent where the agent keeps its own interval.
             */
            nextReportSecs?: number;
            sandboxId: string;
            success: boolean;
        };
        /** @description CPU bandwidth control: running totals. Source: `cpu.stat` of the kernel's admin-guide for cgroup v1 and v2. */
        Throttling: {
            /**
             * Format: int64
             * @description Periods in which something of the sandbox could run.
             */
            periods: number;
            /**
             * Format: int64
             * @description Those in which its quota was used up.
             */
            throttledPeriods: number;
            /**
             * Format: double
             * @description How long it was held back, in seconds, summed over CPUs.
             */
            throttledSecs: number;
        };
        /**
         * @description Why a report was made when it was made.
         * @enum {string}
         */
        Trigger: "start" | "interval" | "change" | "resumed" | "stop";
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    list_events: {
        parameters: {
            query?: {
                /** @description Only events of these types; several with commas. */
                type?: string;
                /** @description Of a page: at most so many, from 1 to 1,000; 100 when nobody says. */
                limit?: number;
                /** @description Of a page: what follows one that had this as its `nextCursor`. */
                cursor?: string;
                /** @description Of a stream: begin after this event. What `Last-Event-ID` says comes first. */
                after?: number;
                /** @description Of a stream: once a second `event: beats` with the sandboxes that reported or stand otherwise. */
                beats?: boolean;
            };
            header?: {
                /** @description A stream begins after this event */
                "Last-Event-ID"?: number;
                /** @description `ETag` of an answer that the client has */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Events */
            200: {
                headers: {
                    /** @description For `If-None-Match`; weak when compressed */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventList"];
                    "text/event-stream": string;
                };
            };
            /** @description Nothing has changed since the answer with this `ETag` */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is not known, or not good */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The admin key is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The hub has no admin key, and the request does not name a loopback host */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many streams are open, or the disk does not answer */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_fleet: {
        parameters: {
            query?: never;
            header?: {
                /** @description `ETag` of an answer that the client has */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The fleet in numbers */
            200: {
                headers: {
                    /** @description For `If-None-Match`; weak when compressed */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fleet"];
                };
            };
            /** @description Nothing has changed since the answer with this `ETag` */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The admin key is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The hub has no admin key, and the request does not name a loopback host */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_sandboxes: {
        parameters: {
            query?: {
                /** @description Only sandboxes with this status. */
                status?: "pending" | "running" | "stopped";
                /** @description Only sandboxes that stand so. */
                liveness?: "never-reported" | "live" | "lost" | "stopped";
                /** @description Only sandboxes that are, or are not, `overdue`. */
                overdue?: boolean;
                /** @description Only sandboxes that are, or are not, `suspect`. */
                suspect?: boolean;
                /** @description Only sandboxes of which this fails, as their last reports say: `processes` in `error`, `collectors` that are `failing`, `quarantined` or `rejected`, or `any` of both. */
                failing?: "processes" | "collectors" | "any";
                /**
                 * @description Only sandboxes that were registered with this metadata: `key`, or `key=value`. May be repeated, 16 times at most; all must hold.
                 * @example [
                 *       "team=a"
                 *     ]
                 */
                metadata?: string[];
                /** @description Only sandboxes with this in their id, name or host name, in upper or lower case. */
                search?: string;
                /** @description At most so many; 1,000 when nothing is said. */
                limit?: number;
                /** @description `nextCursor` of the page before. */
                cursor?: string;
            };
            header?: {
                /** @description `ETag` of an answer that the client has */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    /** @description For `If-None-Match`; weak when compressed */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Sandboxes"];
                };
            };
            /** @description Nothing has changed since the answer with this `ETag` */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is unknown or has another form */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The admin key is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The hub has no admin key, and the request does not name a loopback host */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    register_sandbox: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Registration"];
            };
        };
        responses: {
            /** @description It is registered, and waits for its first report */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Registered"];
                };
            };
            /** @description A field has another type or is out of bounds */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The admin key is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The hub has no admin key, and the request does not name a loopback host */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body came too slowly */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The id is taken */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not `application/json`, or in another coding than gzip */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The hub is full, or its disk takes nothing */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_sandbox: {
        parameters: {
            query?: never;
            header?: {
                /** @description `ETag` of an answer that the client has */
                "If-None-Match"?: string;
            };
            path: {
                /** @description The sandbox's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The sandbox */
            200: {
                headers: {
                    /** @description For `If-None-Match`; weak when compressed */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Shown"];
                };
            };
            /** @description Nothing has changed since the answer with this `ETag` */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The id has another form */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The admin key is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The hub has no admin key, and the request does not name a loopback host */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such sandbox */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    delete_sandbox: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The sandbox's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is forgotten */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Deleted"];
                };
            };
            /** @description The id has another form */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The admin key is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The hub has no admin key, and the request does not name a loopback host */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such sandbox */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The hub's disk takes nothing */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_sandbox_events: {
        parameters: {
            query?: {
                /** @description Only events of these types; several with commas. */
                type?: string;
                /** @description Of a page: at most so many, from 1 to 1,000; 100 when nobody says. */
                limit?: number;
                /** @description Of a page: what follows one that had this as its `nextCursor`. */
                cursor?: string;
                /** @description Of a stream: begin after this event. What `Last-Event-ID` says comes first. */
                after?: number;
                /** @description Of a stream: once a second `event: beats` with the sandboxes that reported or stand otherwise. */
                beats?: boolean;
            };
            header?: {
                /** @description A stream begins after this event */
                "Last-Event-ID"?: number;
                /** @description `ETag` of an answer that the client has */
                "If-None-Match"?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Events */
            200: {
                headers: {
                    /** @description For `If-None-Match`; weak when compressed */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventList"];
                    "text/event-stream": string;
                };
            };
            /** @description Nothing has changed since the answer with this `ETag` */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is not known, or not good */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The admin key is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The hub has no admin key, and the request does not name a loopback host */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such sandbox */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many streams are open, or the disk does not answer */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_history: {
        parameters: {
            query?: never;
            header?: {
                /** @description `ETag` of an answer that the client has */
                "If-None-Match"?: string;
            };
            path: {
                /** @description The sandbox's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The points that there are */
            200: {
                headers: {
                    /** @description For `If-None-Match`; weak when compressed */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["History"];
                };
            };
            /** @description Nothing has changed since the answer with this `ETag` */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The id has another form */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The admin key is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The hub has no admin key, and the request does not name a loopback host */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such sandbox */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    post_status: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The sandbox's id */
                id: string;
            };
            cookie?: never;
        };
        /** @description As it is, or with `Content-Encoding: gzip` */
        requestBody: {
            content: {
                "application/json": components["schemas"]["Report"];
            };
        };
        responses: {
            /** @description It is the sandbox's present state, or was there already */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Taken"];
                };
            };
            /** @description A field has another type or is out of bounds */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The sandbox's token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Without a token, and the hub has no admin key and is not addressed by a loopback name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such sandbox */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body came too slowly */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not `application/json`, or in another coding than gzip */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Two large reports of this sandbox are arriving already, or its address brings in too many sandboxes */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description What it changes cannot be stored; the hub is full, or its disk takes nothing */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    rotate_token: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The sandbox's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Rotation"];
            };
        };
        responses: {
            /** @description The new token */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotated"];
                };
            };
            /** @description A field is unknown, has another type or is out of bounds */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The admin key is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The hub has no admin key, and the request does not name a loopback host */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such sandbox */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body came too slowly */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is not `application/json`, or in another coding than gzip */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The hub's disk takes nothing */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It does */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    get_metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Metrics */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/openmetrics-text": string;
                    "text/plain": string;
                };
            };
            /** @description The admin key is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The hub has no admin key, and the request does not name a loopback host */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description They could not be measured */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_description: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenAPI 3.1 */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
        };
    };
}
