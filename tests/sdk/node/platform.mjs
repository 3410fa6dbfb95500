// What the SDKs expect of their platform and Node 18, Debian 12's own, does not yet have as a global. Imported first.
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto;
