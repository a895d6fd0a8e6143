/** A server that runs. */
export interface Running {
  /** Where it listens. */
  url: string;
  /** Its folder, which goes with it. */
  folder: string;
  /** What it has written so far. */
  said(): string;
  /** Ends it, and removes its folder unless that is to be kept. Can be called again. */
  stop(options?: { signal?: "SIGTERM" | "SIGKILL"; keep?: boolean }): Promise<void>;
}

export interface Wanted {
  /** The configuration, in TOML. */
  config?: string;
  /** Variables beside those that make it work here. */
  env?: Record<string, string>;
}

/** The program that is started. */
export const program: string;

/** With `socket` it listens on `api.sock` in its folder. */
export function startAgent(wanted?: Wanted & { socket?: boolean }): Promise<Running>;
/** It is another one at the same place with the `folder` and the address (`listen`) of one that was stopped. */
export function startHub(wanted?: Wanted & { args?: string[]; folder?: string; listen?: string }): Promise<Running>;
