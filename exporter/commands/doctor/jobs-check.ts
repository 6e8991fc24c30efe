import { dirname } from 'node:path';
import { codedError } from '../../errors.js';
import { errnoName } from '../../wire/errno.js';
import { fail, off, ok, warn, type Facts, type Finding } from './finding.js';
import type { JobsFacts } from './jobs-facts.js';

const OTHERS_WRITE = 0o002;
const OTHERS_ENTER = 0o001;
const STICKY = 0o1000;

/** A container's own file system: gone with the container, and nothing that another one could mount. */
const OF_A_CONTAINER = ['overlay', 'overlayfs', 'fuse.fuse-overlayfs'];

/** Whether jobs can reach the jobs' socket, whether anybody could put another one in its place, and whether somebody serves it. */
export function jobsSocket({ jobs }: Pick<Facts, 'jobs'>): Finding {
  if (jobs === undefined) return off('off', 'To let GPU jobs hear of their own errors, set --jobs-socket.');
  return broken(jobs) ?? unreachable(jobs) ?? served(jobs);
}

/** What keeps the exporter from making it. */
function broken({ path, folders, socket, identification, refusal }: JobsFacts): Finding | undefined {
  if (identification !== undefined) {
    const { message, fix } = codedError('XEE_JOBS_UNSUPPORTED', { seen: errnoName(identification.errno) });
    return fail(message, fix);
  }
  const nearest = folders.find(({ is }) => 'mode' in is);
  if (nearest !== undefined && 'mode' in nearest.is) {
    const { isFolder, mode } = nearest.is;
    if (!isFolder) return fail(`${nearest.path} is no folder`, 'Set --jobs-socket to a path in a folder.');
    if (nearest.path === dirname(path) && (mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0) {
      return fail(
        `everybody may write to ${nearest.path}, and put a socket of their own in place of the exporter's`,
        `Run "chmod o-w ${nearest.path}".`,
      );
    }
  }
  if ('mode' in socket && !socket.isSocket)
    return fail(`${path} is no socket`, 'Remove it, or choose another path with --jobs-socket.');
  // Whoever is not root finds its own exporter's socket open all the same: it has mode 0666.
  if (refusal === 'EACCES' && 'mode' in socket)
    return fail(`${path}: connect EACCES`, `Run "chmod 0666 ${path}", or restart the exporter, which makes it so.`);
  return undefined;
}

/** What keeps jobs from it, which run as any user and in any container, or lets one of them deceive or read about the others. */
function unreachable({ path, stateFile, socket, folders, filesystem }: JobsFacts): Finding | undefined {
  const own = folders.find((folder) => folder.path === dirname(path))?.is;
  if (own && 'uid' in own && 'uid' in socket && own.uid !== 0 && own.uid !== socket.uid)
    return warn(
      `${dirname(path)} belongs to user ${own.uid}, who can put a socket of their own in place of that of user ${socket.uid}`,
      `Run "chown ${socket.uid} ${dirname(path)}".`,
    );
  const closed = folders.find(({ is }) => 'mode' in is && (is.mode & OTHERS_ENTER) === 0);
  if (closed !== undefined)
    return warn(
      `jobs of other users cannot reach ${path}: they may not enter ${closed.path}`,
      `Run "chmod o+x ${closed.path}"; with systemd, set RuntimeDirectoryMode=0755.`,
    );
  if (filesystem !== undefined && OF_A_CONTAINER.includes(filesystem))
    return warn(
      `${dirname(path)} is in the container's own file system: no job can mount it`,
      'Mount a folder of the host there: jobs.enabled of the chart does, and -v /run/xe-exporter:/run/xe-exporter with Docker or Podman.',
    );
  if (stateFile !== undefined && isIn(dirname(path), stateFile))
    return warn(
      `${stateFile} is about all jobs, and in a folder that jobs mount: root in a container can read it`,
      'Set --jobs-state-file to a file outside of that folder.',
    );
  return undefined;
}

function served({ path, socket, refusal }: JobsFacts): Finding {
  if ('seen' in socket) {
    return socket.seen === 'ENOENT'
      ? ok(`${path} is not there; the exporter makes it when it starts`)
      : fail(`${path}: ${socket.seen}`, 'Give this user the right to enter the folder.');
  }
  if (refusal === 'ECONNREFUSED')
    return warn(
      `${path} was left behind by an exporter that was killed: nobody serves it`,
      'Start the exporter, which replaces it. A container has to mount the folder and not the socket, or it keeps the old one.',
    );
  // A full backlog is served, too.
  if (refusal !== undefined && refusal !== 'EAGAIN')
    return fail(`${path}: connect ${refusal}`, 'See the log of the exporter.');
  return (socket.mode & 0o222) === 0o222
    ? ok(`${path} is served, and every user may connect`)
    : warn(`${path} is served, but not every user may connect`, `Run "chmod 0666 ${path}".`);
}

function isIn(folder: string, file: string): boolean {
  return file.startsWith(`${folder}/`);
}
