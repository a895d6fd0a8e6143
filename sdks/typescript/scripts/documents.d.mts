export interface Documents {
  agent: unknown;
  hub: unknown;
}

export function served(): Promise<Documents>;
export function written(document: unknown): string;
export function typed(document: unknown): Promise<string>;
