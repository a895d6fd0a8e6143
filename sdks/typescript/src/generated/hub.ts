// Made by `npm run generate` from openapi/*.json; not to be edited.

export interface paths {
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getHealth"];
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
        get: operations["getMetrics"];
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
        get: operations["getFleet"];
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
        get: operations["listSandboxes"];
        put?: never;
        post: operations["registerSandbox"];
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
        get: operations["getSandbox"];
        put?: never;
        post?: never;
        delete: operations["deleteSandbox"];
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
        post: operations["rotateToken"];
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
        get: operations["getHistory"];
        put?: never;
        post?: never;
        delete?: never;
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
        get: operations["listSandboxEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listEvents"];
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
        post: operations["postStatus"];
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
            /** @description The sandbox's id at the control plane; [`crate::names::sandbox_id`]. */
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
        /**
         * @description A part of a report that can be left out.
         * @enum {string}
         */
        Part: "metadata" | "plugins";
        /**
         * @description Why a report was made when it was made.
         * @enum {string}
         */
        Trigger: "start" | "interval" | "change" | "resumed" | "stop";
        /** @description Reports that did not arrive. */
        Gap: {
            /**
             * Format: date-time
             * @description When the first attempt failed, by the sandbox's wall clock; absent when none did, because the server was slower
             *     than the reports.
             */
            firstFailure?: string;
            /** @description How the last attempt failed; for a person, at most 300 bytes. Absent with `first_failure`. */
            lastError?: string;
            /**
             * Format: int64
             * @description How many reports were made since the last accepted one and will never arrive. One whose answer was lost is
             *     among them, though the server may have it.
             */
            missed: number;
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
        /** @description Pressure stall information. Source: the kernel's `Documentation/accounting/psi.rst`. */
        Pressure: {
            /** @description Waiting for CPU. */
            cpu?: components["schemas"]["Stalls"];
            /** @description Waiting for I/O. */
            io?: components["schemas"]["Stalls"];
            /** @description Waiting for memory. */
            memory?: components["schemas"]["Stalls"];
        };
        /** @description The stalls of one resource. */
        Stalls: {
            /** @description All tasks waited at once; absent where the kernel does not tell. */
            full?: components["schemas"]["Stall"];
            /** @description At least one task waited. */
            some: components["schemas"]["Stall"];
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
        /** @description One data point. */
        Metric: components["schemas"]["Measurement"] & {
            /** @description Dimensions, such as `network.interface.name` = `eth0`. */
            attributes?: {
                [key: string]: string;
            };
            /** @description For example `system.network.io`; see [`crate::names::metric_name`]. */
            name: string;
            /** @description The unit in UCUM's notation, such as `By`, `s` or `{packet}`. */
            unit: string;
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
        /**
         * @description Whether a process does its work. The three words are those of existing clients.
         * @enum {string}
         */
        ProcessState: "running" | "stopped" | "error";
        /**
         * @description Where in its life a process is. `docs/supervision.md` says which state goes with each.
         * @enum {string}
         */
        ProcessPhase: "waiting" | "starting" | "ready" | "unhealthy" | "stopping" | "backing-off" | "exited" | "gave-up";
        /** @description A plugin at one moment. */
        PluginStatus: {
            /**
             * Format: int64
             * @description Finished calls of `collect`, failed ones included, since the agent started.
             */
            calls?: number;
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
        /**
         * @description Where a plugin stands.
         * @enum {string}
         */
        PluginState: "compiling" | "active" | "failing" | "quarantined" | "rejected";
        /**
         * @description The name of what went wrong in a collect or a load.
         * @enum {string}
         */
        Failure: "cpu-timeout" | "wall-timeout" | "memory" | "stack" | "output" | "trap" | "denied" | "files" | "http" | "invalid" | "collector";
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
        /**
         * @description What came of a file or sidecar that was new, changed, or asked to be read again.
         * @enum {string}
         */
        ReloadResult: "loaded" | "unchanged" | "refused";
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
         * @description What the sandbox says of itself.
         * @enum {string}
         */
        SandboxStatus: "running" | "stopped";
        /** @enum {string} */
        Status: "pending" | "running" | "stopped";
        /** @enum {string} */
        Liveness: "never-reported" | "live" | "lost" | "stopped";
        Metrics: {
            cpuPercent?: number;
            memoryMB?: number;
            memoryLimitMB?: number;
            sessionCount?: number;
        };
        Health: {
            status: string;
            /** Format: date-time */
            timestamp: string;
            version: string;
        };
        AgentHealth: {
            processes: number;
            processesFailed: number;
            collectors: number;
            collectorsFailed: number;
        };
        AgentInfo: {
            /** Format: date-time */
            lastHeartbeat: string;
            ipAddress: string;
            hostname: string;
            metrics: components["schemas"]["Metrics"];
            uptimeSecs: number;
            /** Format: date-time */
            timestamp: string;
            agentVersion?: string;
            bootId?: string;
            seq?: number;
            intervalSecs?: number;
            expectedSecs: number;
            health: components["schemas"]["AgentHealth"];
            metadata?: {
                [key: string]: string;
            };
        };
        Sandbox: {
            id: string;
            name: string;
            status: components["schemas"]["Status"];
            image?: string;
            /** Format: date-time */
            createdAt: string;
            metadata: {
                [key: string]: string;
            };
            liveness: components["schemas"]["Liveness"];
            /** Format: date-time */
            livenessSince: string;
            overdue?: boolean;
            suspect?: boolean;
            agentInfo?: components["schemas"]["AgentInfo"];
        };
        LastReport: {
            trigger?: components["schemas"]["Trigger"];
            stopping?: boolean;
            resumed?: components["schemas"]["Resumed"];
            gap?: components["schemas"]["Gap"];
            unchanged?: components["schemas"]["Part"][];
            missing?: components["schemas"]["Part"][];
            resources?: components["schemas"]["Resources"];
            metrics?: components["schemas"]["ReportedMetric"][];
            processes?: {
                [key: string]: components["schemas"]["ProcessStatus"];
            };
            plugins?: components["schemas"]["PluginStatus"][];
            rejected?: components["schemas"]["Rejected"][];
        };
        SandboxDetails: components["schemas"]["Sandbox"] & components["schemas"]["LastReport"];
        Registering: {
            id?: string;
            name?: string;
            image?: string;
            metadata?: {
                [key: string]: string;
            };
        };
        Registered: {
            sandbox: components["schemas"]["Sandbox"];
            token: string;
        };
        Sandboxes: {
            sandboxes: components["schemas"]["Sandbox"][];
            total: number;
            nextCursor?: string;
        };
        Shown: {
            sandbox: components["schemas"]["SandboxDetails"];
        };
        Deleted: {
            success: boolean;
        };
        HistoryPoint: {
            /** Format: date-time */
            at: string;
            cpuPercent?: number;
            memoryMB?: number;
        };
        History: {
            stepSecs: number;
            points: components["schemas"]["HistoryPoint"][];
        };
        Rotation: {
            overlapSecs?: number;
        };
        Rotated: {
            token: string;
            /** Format: date-time */
            previousUntil?: string;
        };
        LivenessCounts: {
            neverReported: number;
            live: number;
            lost: number;
            stopped: number;
        };
        Fleet: {
            total: number;
            liveness: components["schemas"]["LivenessCounts"];
            overdue: number;
            suspect: number;
            /** Format: date-time */
            suspectSince?: string;
            reportsPerSec: number;
        };
        Taken: {
            success: boolean;
            sandboxId: string;
            duplicate?: boolean;
            accepts?: string[];
            nextReportSecs?: number;
        };
        /** @enum {string} */
        Kind: "registered" | "deleted" | "token-rotated" | "reported" | "overdue" | "lost" | "recovered" | "stopped" | "started" | "restarted" | "process-failed" | "process-recovered" | "collector-failed" | "collector-recovered" | "suppressed" | "suspect" | "trusted";
        Event: {
            id: number;
            /** Format: date-time */
            at: string;
            sandboxId?: string;
            type: components["schemas"]["Kind"];
            name?: string;
            detail?: string;
        };
        Events: {
            events: components["schemas"]["Event"][];
            nextCursor?: string;
        };
        Problem: {
            code: number;
            message: string;
            details?: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
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
    getMetrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
        };
    };
    getFleet: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fleet"];
                };
            };
        };
    };
    listSandboxes: {
        parameters: {
            query?: {
                status?: components["schemas"]["Status"];
                liveness?: components["schemas"]["Liveness"];
                metadata?: string[];
                search?: string;
                limit?: number;
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Sandboxes"];
                };
            };
        };
    };
    registerSandbox: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Registering"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Registered"];
                };
            };
        };
    };
    getSandbox: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Shown"];
                };
            };
        };
    };
    deleteSandbox: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Deleted"];
                };
            };
        };
    };
    rotateToken: {
        parameters: {
            query?: never;
            header?: never;
            path: {
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
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rotated"];
                };
            };
        };
    };
    getHistory: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["History"];
                };
            };
        };
    };
    listSandboxEvents: {
        parameters: {
            query?: {
                type?: string;
                limit?: number;
                cursor?: string;
                after?: number;
                beats?: boolean;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Events"];
                    "text/event-stream": string;
                };
            };
        };
    };
    listEvents: {
        parameters: {
            query?: {
                type?: string;
                limit?: number;
                cursor?: string;
                after?: number;
                beats?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Events"];
                    "text/event-stream": string;
                };
            };
        };
    };
    postStatus: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Report"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Taken"];
                };
            };
        };
    };
}
