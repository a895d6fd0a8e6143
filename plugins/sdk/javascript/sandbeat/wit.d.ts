/** What componentize-js makes of the imports in `wit/collector.wit`, which says what they mean. */

declare module 'sandbeat:collector/log@0.1.0' {
  export function write(level: 'trace' | 'debug' | 'info' | 'warn' | 'error', message: string): void;
}

declare module 'sandbeat:collector/config@0.1.0' {
  export function json(): string;
}

declare module 'sandbeat:collector/state@0.1.0' {
  export type StateError = { tag: 'bad-key' } | { tag: 'full'; val: bigint };
  export function get(key: string): Uint8Array | undefined;
  export function set(key: string, value: Uint8Array): void;
  export function keys(): string[];
  function remove(key: string): void;
  export { remove as delete };
}

declare module 'sandbeat:collector/limits@0.1.0' {
  export interface Limits {
    memory: bigint;
    timeout: bigint;
    cpu: bigint;
    output: bigint;
    metrics: bigint;
    metadata: bigint;
    attributes: bigint;
    series: bigint;
    state: bigint;
    fileCalls: bigint;
    fileBytes: bigint;
    httpRequests: bigint;
    httpBytes: bigint;
    httpTimeout: bigint;
  }
  export function current(): Limits;
}

declare module 'sandbeat:collector/native@0.1.0' {
  export interface Process {
    name: string;
    status: string;
    pid?: number;
    restartCount: number;
  }
  export interface Sample {
    sandboxId: string;
    hostname: string;
    uptimeSecs: bigint;
    cpuPercent?: number;
    cpuLimitCores?: number;
    memoryBytes?: bigint;
    memoryLimitBytes?: bigint;
    sessionCount?: number;
    processes: Process[];
  }
  export function current(): Sample;
}

declare module 'sandbeat:collector/files@0.1.0' {
  export type FileError =
    | { tag: 'denied' }
    | { tag: 'not-found' }
    | { tag: 'wrong-type' }
    | { tag: 'too-large'; val: bigint }
    | { tag: 'io'; val: string };
  export type EntryKind = 'file' | 'directory' | 'symlink' | 'other';
  export function stat(path: string): { kind: EntryKind; size: bigint; modified?: bigint };
  export function read(path: string): Uint8Array;
  export function readAt(path: string, offset: bigint, length: number): Uint8Array;
  export function list(directory: string): { name: string; kind: EntryKind }[];
}

declare module 'sandbeat:collector/filesystems@0.1.0' {
  export interface Usage {
    size: bigint;
    free: bigint;
    available: bigint;
    inodes?: bigint;
    inodesFree?: bigint;
    readOnly: boolean;
  }
  export function granted(): string[];
  export function stat(path: string): Usage;
}

declare module 'sandbeat:collector/processes@0.1.0' {
  export type ProcessError = { tag: 'denied' } | { tag: 'too-many'; val: bigint } | { tag: 'io'; val: string };
  export function socketOwners(inodes: BigUint64Array): ({ pid: number; name: string } | undefined)[];
}

declare module 'sandbeat:collector/certificates@0.1.0' {
  export function shown(origin: string): Uint8Array | undefined;
}
