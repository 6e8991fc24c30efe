import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Made-up /proc and /sys trees in a directory that goes with the test. */
export class FixtureTree {
  readonly root: string;

  constructor(t: { after(remove: () => void): void }) {
    this.root = mkdtempSync(join(tmpdir(), 'xe-exporter-test-'));
    t.after(() => rmSync(this.root, { recursive: true, force: true }));
  }

  file(path: string, content: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), content);
  }

  directory(path: string): void {
    mkdirSync(join(this.root, path), { recursive: true });
  }

  link(path: string, target: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    symlinkSync(target, join(this.root, path));
  }

  remove(path: string): void {
    rmSync(join(this.root, path), { recursive: true, force: true });
  }

  /** A device bound to xe; `nodes` maps node names to the content of their dev attribute. */
  xeDevice(
    bdf: string,
    nodes: Readonly<Record<string, string>>,
    attributes: Readonly<Record<string, string>> = {},
  ): void {
    const path = `bus/pci/drivers/xe/${bdf}`;
    this.directory(path);
    for (const [name, dev] of Object.entries(nodes)) this.file(`${path}/drm/${name}/dev`, `${dev}\n`);
    const all = { vendor: '0x8086', device: '0xe20b', numa_node: '0', ...attributes };
    for (const [name, value] of Object.entries(all)) this.file(`${path}/${name}`, `${value}\n`);
  }

  /** The fdinfo of a drm file, in the form of drm_show_fdinfo() (Linux 7.2). */
  drmFdinfo(pid: number, fd: number, clientId: number, driver = 'xe'): void {
    const lines = ['pos:\t0', 'flags:\t02100002', 'mnt_id:\t29', 'ino:\t1067', `drm-driver:\t${driver}`];
    lines.push(`drm-client-id:\t${clientId}`, 'drm-pdev:\t0000:03:00.0', 'drm-total-vram0:\t0', '');
    this.file(`${pid}/fdinfo/${fd}`, lines.join('\n'));
  }
}
