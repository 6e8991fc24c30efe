import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { startServer, type ServerProcess } from './server-process.js';

/** An alert as Alertmanager's API shows it. */
export interface ManagedAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly status: { readonly state: string; readonly inhibitedBy: readonly string[] };
}

/** A real Alertmanager. */
export interface AlertmanagerServer extends ServerProcess {
  alerts(): Promise<readonly ManagedAlert[]>;
}

/**
 * Starts Alertmanager by itself, without a cluster.
 * @param binary path of the program below the usr/bin of its unpacked package
 */
export async function startAlertmanager(binary: string, config: string): Promise<AlertmanagerServer> {
  const server = await startServer({ 'alertmanager.yml': config }, (address) => {
    const args = [
      '--config.file=alertmanager.yml',
      '--storage.path=data',
      '--cluster.listen-address=',
      `--web.listen-address=${address}`,
    ];
    // Debian's build reads its templates below /usr/share and nowhere else: give it its own in a mount namespace.
    const share = join(dirname(binary), '../share');
    const script = 'mount --bind "$1" /usr/share && shift && exec "$@"';
    return { program: 'unshare', args: [...namespaces(), 'sh', '-c', script, 'sh', share, binary, ...args] };
  });
  return {
    ...server,
    alerts: async () => {
      const response = await fetch(`${server.url}/api/v2/alerts`);
      assert.equal(response.status, 200);
      return (await response.json()) as ManagedAlert[];
    },
  };
}

/** Only root may mount without a user namespace, and root may be denied one. */
function namespaces(): readonly string[] {
  return process.getuid?.() === 0 ? ['--mount'] : ['--mount', '--map-root-user'];
}
