// Made by `npm run generate` from openapi/*.json; not to be edited.

export interface paths {
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The same, and the agent's own figures, for Prometheus: OpenMetrics where `Accept` names it, else the text format
         *     0.0.4.
         */
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
    "/v1/agents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All coding agents, installed or not. */
        get: operations["list_agents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/agents/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One coding agent. An unknown id is a bad request, as in the reference. */
        get: operations["get_agent"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the agent beats, and how its reports fare. */
        get: operations["get_health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/plugins": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All collectors, by name. */
        get: operations["list_plugins"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/plugins/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One collector. */
        get: operations["get_plugin"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/plugins/{name}/reload": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Has a collector's files loaded again: 200 when the load has ended, well or not (`lastReload`); 202 while it goes on. */
        post: operations["reload_plugin"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/processes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All processes. */
        get: operations["list_processes"];
        put?: never;
        /** Creates a process and starts it. */
        post: operations["create_process"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/processes/config": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The limits on what is created and run. */
        get: operations["get_limits"];
        put?: never;
        /** Sets all of the limits for what is created and run from now on. */
        post: operations["set_limits"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/processes/run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Runs a command and waits for its end. */
        post: operations["run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/processes/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One process. */
        get: operations["get_process"];
        put?: never;
        post?: never;
        /** Forgets a created process that has ended, with its output. */
        delete: operations["delete_process"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/processes/{id}/input": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Writes to a process's standard input or terminal; answers when it has taken all. */
        post: operations["input"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/processes/{id}/kill": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Kills a process and all that it has started at once. */
        post: operations["kill_process"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/processes/{id}/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What a process has written: JSON, or with `follow` server-sent events `log`, whose ids are sequence numbers and
         *     which `Last-Event-ID` continues.
         */
        get: operations["logs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/processes/{id}/restart": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops a process where it runs, and starts it. One that was created wants what creating wants. */
        post: operations["restart_process"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/processes/{id}/start": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Starts a process where it does not run. One that was created wants what creating wants. */
        post: operations["start_process"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/processes/{id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Stops a process and all that it has started, as its configuration says how; one that was created with SIGTERM, and
         *     with SIGKILL after ten seconds.
         */
        post: operations["stop_process"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/processes/{id}/terminal/resize": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives a process's terminal another size. */
        post: operations["resize"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/processes/{id}/terminal/ws": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * A terminal as a websocket. Binary frames are its output. Text frames are JSON; to the client:
         *     `{"type":"ready","processId":"proc_1"}`, `{"type":"exit","exitCode":0}`, `{"type":"error","message":"…"}`; from it:
         *     `{"type":"input","data":"…"}` (text, or what its `encoding` says), `{"type":"resize","cols":80,"rows":24}`,
         *     `{"type":"close"}`.
         */
        get: operations["terminal"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/reload": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Has the configuration read again: 200 with what changed; 422 with every problem in `problems` when the configuration
         *     is refused; 409 where the agent has none that could be read again, or is ending.
         */
        post: operations["reload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/report": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The report as it would be posted now: native figures, processes and plugins as they are, and what the collectors
         *     measured for the last report, with its present age. It is measured for those who ask, beside the beat.
         */
        get: operations["get_report"];
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
        /** @description A coding agent, as clients see it. */
        AgentInfo: {
            capabilities: components["schemas"]["Capabilities"];
            /** @description Whether what it needs to sign in is there, as far as that can be seen from here. */
            credentialsAvailable: boolean;
            id: string;
            installed: boolean;
            path?: string;
            serverStatus?: components["schemas"]["ServerStatus"];
            version?: string;
        };
        /** @description `GET /v1/agents`. */
        Agents: {
            /** @description Those that clients know, then others of `[agents.NAME]`. */
            agents: components["schemas"]["AgentInfo"][];
        };
        /**
         * @description How `data` is to be understood.
         * @enum {string}
         */
        Base64: "base64";
        /** @description What an agent can do in a session. */
        Capabilities: {
            commandExecution: boolean;
            errorEvents: boolean;
            fileAttachments: boolean;
            fileChanges: boolean;
            images: boolean;
            itemStarted: boolean;
            mcpTools: boolean;
            permissions: boolean;
            planMode: boolean;
            questions: boolean;
            reasoning: boolean;
            sessionLifecycle: boolean;
            /**
             * @description Whether its sessions share a process. The reference says of none that they do; here it is true of those that
             *     are configured to run as one.
             */
            sharedProcess: boolean;
            status: boolean;
            streamingDeltas: boolean;
            textMessages: boolean;
            toolCalls: boolean;
            toolResults: boolean;
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
        /** @description A process to be created. It is started at once and never again. */
        Creation: {
            args?: string[];
            /** @description The program: a path, or a name that is looked for in `PATH`. */
            command: string;
            /** @description The directory that it starts in; the agent's own where absent. */
            cwd?: string;
            /** @description Variables added to the agent's environment. They are not shown again. */
            env?: {
                [key: string]: string;
            };
            /** @description Whether somebody means to write to it, for whoever lists it. Everything that is created takes input. */
            interactive?: boolean;
            /** @description Whether it gets a terminal, of 80 columns and 24 rows. */
            tty?: boolean;
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
        /** @description A line, or a piece of one. */
        Entry: {
            /** @description The bytes as they were written, in base64. */
            data: string;
            encoding: components["schemas"]["Base64"];
            /**
             * Format: int64
             * @description Counts a process's entries of all streams from 1, over all its runs.
             */
            sequence: number;
            stream: components["schemas"]["LogStream"];
            /**
             * Format: int64
             * @description When it was read, by the wall clock; milliseconds since 1970.
             */
            timestampMs: number;
        };
        /**
         * @description Whether a process exists.
         * @enum {string}
         */
        Existence: "running" | "exited";
        /**
         * @description The name of what went wrong in a collect or a load.
         * @enum {string}
         */
        Failure: "cpu-timeout" | "wall-timeout" | "memory" | "stack" | "output" | "trap" | "denied" | "files" | "http" | "invalid" | "collector";
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
        /**
         * @description The body. `status` is the literal `ok` that existing clients wait for: whoever can answer beats, since the agent
         *     ends when its beat does. Whether reports arrive is under `reports`.
         */
        Health: {
            agentVersion: string;
            /**
             * Format: date-time
             * @description When the agent started to beat, by the wall clock of then.
             */
            beatingSince: string;
            bootId: string;
            /**
             * Format: double
             * @description Seconds between reports: as the hub directed in its last answer, else as configured.
             */
            intervalSecs: number;
            /** @description How late reports were made, against when they were due; absent before the first that counts. */
            lateness?: components["schemas"]["Lateness"];
            /**
             * Format: int64
             * @description Milliseconds until the next report is due; 0 while it is being made.
             */
            nextDueMs?: number;
            /**
             * Format: int64
             * @description Present when a report has been due for longer than that can take: the agent does not beat as it should.
             */
            overdueMs?: number;
            reports: components["schemas"]["Reports"];
            sandboxId: string;
            /** @description The hub's URL. */
            serverUrl: string;
            status: string;
            /** @description Native figures that cannot be measured in this sandbox. */
            unavailable: components["schemas"]["Unavailable"][];
            /**
             * Format: int64
             * @description Whole seconds since then, from a monotonic clock.
             */
            uptimeSecs: number;
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
        /** @description What to write. */
        Input: {
            /** @description Whether nothing more comes: what reads its input to the end then goes on. */
            close?: boolean;
            data: string;
            /** @description How `data` is to be understood: `base64`, which is meant where this is absent, or `utf8` or `text`, as it is. */
            encoding?: string;
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
        /** @description A distribution in three numbers, in milliseconds, as exact as its buckets are and not too low. */
        Lateness: {
            /**
             * Format: int64
             * @description How many reports it is of.
             */
            count: number;
            /**
             * Format: double
             * @description The latest.
             */
            maxMs: number;
            /**
             * Format: double
             * @description What half of them did not exceed.
             */
            p50Ms: number;
            /**
             * Format: double
             * @description What 99 of 100 did not exceed.
             */
            p99Ms: number;
        };
        /**
         * @description A process's outputs.
         * @enum {string}
         */
        LogStream: "stdout" | "stderr" | "combined" | "pty";
        /** @description What a process has written. */
        Logs: {
            entries: components["schemas"]["Entry"][];
            processId: string;
            stream: components["schemas"]["LogStream"];
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
            /** @description For example `system.network.io`; see [`crate::names::metric_name`]. */
            name: string;
            /** @description The unit in UCUM's notation, such as `By`, `s` or `{packet}`. */
            unit: string;
        };
        /**
         * @description Whose a process is.
         * @enum {string}
         */
        Owner: "user" | "desktop" | "system";
        /**
         * @description A part of a report that can be left out.
         * @enum {string}
         */
        Part: "metadata" | "plugins";
        /**
         * @description Where a plugin stands.
         * @enum {string}
         */
        PluginState: "compiling" | "active" | "failing" | "quarantined" | "rejected";
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
        /** @description `GET /v1/plugins`. */
        Plugins: {
            /** @description By name. */
            plugins: components["schemas"]["PluginStatus"][];
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
            /** @description This occurrence, and what to do about it. */
            detail: string;
            /** @description Several that were found at once. */
            problems?: string[];
            /**
             * Format: int32
             * @description The HTTP status.
             */
            status: number;
            /** @description One line for a person; the same for the same type. */
            title: string;
            /** @description `urn:sandbeat:error:` and a name in snake case, which clients may match on. */
            type: string;
        };
        /** @description A process at one moment. */
        Process: {
            args: string[];
            /** @description Where it serves, as configured. */
            baseUrl?: string;
            /** @description The program. */
            command: string;
            /**
             * Format: int64
             * @description When it came under supervision, by the wall clock; milliseconds since 1970.
             */
            createdAtMs: number;
            /** @description The directory that it starts in; absent where that is the agent's own. */
            cwd?: string;
            /** @description Whether the agent ends when it has ended for good. */
            essential: boolean;
            /**
             * Format: int32
             * @description The code that it ended with; absent while it runs, and where a signal ended it.
             */
            exitCode?: number;
            /** @description The signal that ended it, such as `SIGKILL`; absent while it runs. */
            exitSignal?: string;
            /**
             * Format: int64
             * @description When it ended, by the wall clock; milliseconds since 1970. Absent while it runs.
             */
            exitedAtMs?: number;
            /** @description Its name in the configuration, or `proc_N` where it was created here. */
            id: string;
            /** @description Whether its creator means to write to it; of a configured one, whether it has a terminal. */
            interactive: boolean;
            kind: components["schemas"]["ProcessKind"];
            lastError?: string;
            /**
             * Format: int64
             * @description In how many milliseconds it is started again.
             */
            nextRestartMs?: number;
            /** @description Whether the kernel ended it because memory ran out; absent otherwise. */
            outOfMemory?: boolean;
            owner: components["schemas"]["Owner"];
            /** @description Where in its life it is, finer than `state`. */
            phase: components["schemas"]["ProcessPhase"];
            /** Format: int32 */
            pid?: number;
            /**
             * Format: int32
             * @description Starts after the first one.
             */
            restartCount: number;
            state: components["schemas"]["ProcessState"];
            /** @description Whether it exists right now. */
            status: components["schemas"]["Existence"];
            /** @description Whether it has a terminal. */
            tty: boolean;
            /**
             * Format: int64
             * @description How long it has been running, in milliseconds, by a monotonic clock.
             */
            uptimeMs?: number;
            /** @description What it comes after and still waits for. */
            waitingFor?: string[];
        };
        /** @description The limits, all of them. */
        ProcessConfig: {
            /**
             * Format: int64
             * @description For a command that is run and names no timeout, in milliseconds; no longer than the longest.
             */
            defaultRunTimeoutMs: number;
            /** @description Created processes that run at the same time, and commands that are run at the same time. */
            maxConcurrentProcesses: number;
            /** @description What one request can write to a process, in bytes. */
            maxInputBytesPerRequest: number;
            /** @description What is kept of a created process's output, in bytes. */
            maxLogBytesPerProcess: number;
            /** @description What is kept of each output of a command that is run, in bytes. */
            maxOutputBytes: number;
            /**
             * Format: int64
             * @description The longest timeout of a command that is run, in milliseconds.
             */
            maxRunTimeoutMs: number;
        };
        /**
         * @description Which table of the configuration it is from.
         * @enum {string}
         */
        ProcessKind: "process" | "agent" | "created";
        /**
         * @description Where in its life a process is. `docs/supervision.md` says which state goes with each.
         * @enum {string}
         */
        ProcessPhase: "waiting" | "starting" | "ready" | "unhealthy" | "stopping" | "backing-off" | "exited" | "gave-up";
        /**
         * @description Whether a process does its work. The three words are those of existing clients.
         * @enum {string}
         */
        ProcessState: "running" | "stopped" | "error";
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
        /** @description `GET /v1/processes`. */
        Processes: {
            /** @description Those that are configured by name, then those that were created in the order of that. */
            processes: components["schemas"]["Process"][];
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
        ReloadResult: "loaded" | "unchanged" | "refused";
        /** @description What a reload of the configuration changed; names in order. */
        Reloaded: {
            /** @description New processes. */
            added: string[];
            /** @description Sections that differ and take effect when the agent is started again. */
            needsRestart: string[];
            /** @description Processes that were stopped because they are not configured any more. */
            removed: string[];
            /** @description Processes whose configuration is another. */
            restarted: string[];
            /** @description Processes that were not touched. */
            unchanged: string[];
        };
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
        /** @description How delivery stands. */
        Reports: {
            /**
             * Format: int64
             * @description Accepted by the hub.
             */
            accepted: number;
            /**
             * Format: int64
             * @description Attempts to deliver one.
             */
            attempts: number;
            /** @description What is wrong with the files of token and certificates; what was read of them before is in use. */
            credentials?: string;
            /** @description Present while reports do not arrive. */
            failing?: components["schemas"]["Trouble"];
            /** @description Failed attempts by their kind (see `failing`). */
            failures: {
                [key: string]: number;
            };
            /**
             * Format: int64
             * @description Not tried again, because the hub's answer was final or because the agent ended.
             */
            givenUp: number;
            /** Format: date-time */
            lastAccepted?: string;
            /**
             * Format: int64
             * @description The `seq` of that one.
             */
            lastAcceptedSeq?: number;
            /**
             * Format: int64
             * @description Made since the agent started; each is accepted, superseded, given up, or waiting.
             */
            made: number;
            /**
             * Format: int64
             * @description Replaced by a newer one before they arrived.
             */
            superseded: number;
            /**
             * Format: int64
             * @description Being sent, or to be sent.
             */
            waiting: number;
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
        /** @description A command to be run. */
        RunRequest: {
            args?: string[];
            /** @description The program: a path, or a name that is looked for in `PATH`. */
            command: string;
            /** @description The directory that it starts in; the agent's own where absent. */
            cwd?: string;
            /** @description Variables added to the agent's environment. */
            env?: {
                [key: string]: string;
            };
            /**
             * Format: int64
             * @description So many bytes of each of its outputs are kept, its first ones; `maxOutputBytes` where absent, and the most.
             */
            maxOutputBytes?: number;
            /**
             * Format: int64
             * @description It and all that it has started is killed after so many milliseconds. `defaultRunTimeoutMs` where absent or 0;
             *     `maxRunTimeoutMs` is the most.
             */
            timeoutMs?: number;
        };
        /** @description What came of it. */
        RunResult: {
            /** Format: int64 */
            durationMs: number;
            /**
             * Format: int32
             * @description The code that it ended with; null where a signal or the timeout ended it.
             */
            exitCode: number | null;
            /** @description The signal that ended it, such as `SIGKILL`. */
            exitSignal?: string;
            /** @description As UTF-8; what is none is replaced by U+FFFD. */
            stderr: string;
            stderrTruncated: boolean;
            /** @description As UTF-8; what is none is replaced by U+FFFD. */
            stdout: string;
            stdoutTruncated: boolean;
            timedOut: boolean;
        };
        /**
         * @description What the sandbox says of itself.
         * @enum {string}
         */
        SandboxStatus: "running" | "stopped";
        /** @description The process that an agent's sessions share. */
        ServerStatus: {
            baseUrl?: string;
            lastError?: string;
            /** Format: int32 */
            restartCount: number;
            status: components["schemas"]["ProcessState"];
            /** Format: int64 */
            uptimeMs?: number;
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
        /** @description A terminal's size. */
        TerminalSize: {
            /** Format: int32 */
            cols: number;
            /** Format: int32 */
            rows: number;
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
        /** @description What stands in the way. */
        Trouble: {
            /** Format: int32 */
            attempts: number;
            /**
             * @description `refused`, `dns`, `unreachable`, `tls`, `timeout`, `reset`, `protocol`, `denied`, `not-found`, `throttled`,
             *     `redirect`, `rejected` or `server-error`.
             */
            kind: string;
            /** Format: date-time */
            lastAttempt: string;
            message: string;
            /**
             * Format: int64
             * @description Reports made since the last accepted one that will never arrive, because newer ones have taken their place.
             */
            missed: number;
            /**
             * Format: int64
             * @description Milliseconds until the next attempt at the latest; 0 while one is under way.
             */
            nextAttemptMs?: number;
            /** Format: date-time */
            since: string;
        };
        /** @description A figure that cannot be measured here, and why. */
        Unavailable: {
            /** @description The field of the report that is absent. */
            figure: string;
            /** @description For a person. */
            reason: string;
        };
        /** @description What was written. */
        Written: {
            bytesWritten: number;
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
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
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
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_agents: {
        parameters: {
            query?: {
                /** @description Changes nothing: what it asks for elsewhere is always here. */
                config?: boolean;
                /** @description Whether versions that are known are asked again. */
                no_cache?: boolean;
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
                    "application/json": components["schemas"]["Agents"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_agent: {
        parameters: {
            query?: {
                /** @description Changes nothing: what it asks for elsewhere is always here. */
                config?: boolean;
                /** @description Whether versions that are known are asked again. */
                no_cache?: boolean;
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
                    "application/json": components["schemas"]["AgentInfo"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
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
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_plugins: {
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
                    "application/json": components["schemas"]["Plugins"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_plugin: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
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
                    "application/json": components["schemas"]["PluginStatus"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    reload_plugin: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
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
                    "application/json": components["schemas"]["PluginStatus"];
                };
            };
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PluginStatus"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_processes: {
        parameters: {
            query?: {
                /** @description Only this owner's. */
                owner?: "user" | "desktop" | "system";
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
                    "application/json": components["schemas"]["Processes"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    create_process: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Creation"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Process"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body came too slowly */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many wait already; `Retry-After` says when to try again */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It could not be started */
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The agent is ending */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_limits: {
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
                    "application/json": components["schemas"]["ProcessConfig"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    set_limits: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ProcessConfig"];
            };
        };
        responses: {
            /** @description As they are now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProcessConfig"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body came too slowly */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    run: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RunRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunResult"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body came too slowly */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It could not be started */
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The agent is ending */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_process: {
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
                    "application/json": components["schemas"]["Process"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    delete_process: {
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
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    input: {
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
                "application/json": components["schemas"]["Input"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Written"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body came too slowly */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many wait already; `Retry-After` says when to try again */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The agent is ending */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    kill_process: {
        parameters: {
            query?: {
                /** @description At most so many milliseconds; 2000 where absent, 60000 at most. */
                waitMs?: number;
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
                    "application/json": components["schemas"]["Process"];
                };
            };
            /** @description A parameter has another form */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many wait already; `Retry-After` says when to try again */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The agent is ending */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    logs: {
        parameters: {
            query?: {
                /**
                 * @description Only what was written there; `pty` of a process with a terminal and `combined`, which is everything, of
                 *     others where it is absent.
                 */
                stream?: "stdout" | "stderr" | "combined" | "pty";
                /** @description Only the last so many of them; 100000 at most. */
                tail?: number;
                /** @description Only those with a greater sequence number. */
                since?: number;
                /** @description As server-sent events, until the process has ended for good and all that it wrote was sent. */
                follow?: boolean;
            };
            header?: {
                /** @description With `follow` */
                "Last-Event-ID"?: number | null;
            };
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
                    "application/json": components["schemas"]["Logs"];
                    "text/event-stream": string;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many follow */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    restart_process: {
        parameters: {
            query?: {
                /** @description At most so many milliseconds; 2000 where absent, 60000 at most. */
                waitMs?: number;
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
                    "application/json": components["schemas"]["Process"];
                };
            };
            /** @description A parameter has another form */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many wait already; `Retry-After` says when to try again */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The agent is ending */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    start_process: {
        parameters: {
            query?: {
                /** @description At most so many milliseconds; 2000 where absent, 60000 at most. */
                waitMs?: number;
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
                    "application/json": components["schemas"]["Process"];
                };
            };
            /** @description A parameter has another form */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many wait already; `Retry-After` says when to try again */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The agent is ending */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    stop_process: {
        parameters: {
            query?: {
                /** @description At most so many milliseconds; 2000 where absent, 60000 at most. */
                waitMs?: number;
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
                    "application/json": components["schemas"]["Process"];
                };
            };
            /** @description A parameter has another form */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many wait already; `Retry-After` says when to try again */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The agent is ending */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    resize: {
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
                "application/json": components["schemas"]["TerminalSize"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TerminalSize"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The body came too slowly */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many wait already; `Retry-After` says when to try again */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The agent is ending */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    terminal: {
        parameters: {
            query?: {
                /** @description The token, for browsers, which can send no header */
                access_token?: string;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The connection is a websocket now */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    reload: {
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
                    "application/json": components["schemas"]["Reloaded"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_report: {
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
                    "application/json": components["schemas"]["Report"];
                };
            };
            /** @description The token is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A browser asks for another site's page, or without a token by a foreign host name */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The route does not take this method; `Allow` says what it takes */
            405: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
