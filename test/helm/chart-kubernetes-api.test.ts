import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostPaths, only, podOf, refusal, render } from './chart.js';

test('the API server is asked for pods only when it is where names come from', () => {
  const asked = render({});
  assert.deepEqual(only(asked, 'ClusterRole').rules, [
    { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
  ]);
  assert.equal(podOf(asked).automountServiceAccountToken, true);
  for (const values of [{ attribution: { kubernetes: 'node' } }, { attribution: { kubernetes: 'off' } }]) {
    const manifests = render(values);
    assert.equal(
      manifests.some(({ kind }) => kind === 'ClusterRole'),
      false,
    );
    assert.equal(podOf(manifests).automountServiceAccountToken, false);
  }
  assert.deepEqual(
    hostPaths(podOf(render({ attribution: { kubernetes: 'node' } }))).filter((path) => path.startsWith('/var')),
    ['/var/log/pods', '/var/log/containers'],
  );
});

test('Events may be written in every namespace when they are wanted, and then only', () => {
  const events = { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] };
  const pods = { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] };
  const wanted = { events: { kubernetesEvents: true } };
  for (const [values, rules] of [
    [wanted, [events, pods]],
    [{ ...wanted, attribution: { kubernetes: 'node' } }, [events]],
    [{ ...wanted, sources: { simulator: { enabled: true } } }, [events]],
  ] as const) {
    const manifests = render(values);
    assert.deepEqual(only(manifests, 'ClusterRole').rules, rules);
    assert.equal(podOf(manifests).automountServiceAccountToken, true);
  }
  assert.equal(only(render({}), 'ClusterRole').rules.length, 1);
});

test('the condition of the node may be written when it is wanted, in any posture, and its Events in one namespace only', () => {
  const status = { apiGroups: [''], resources: ['nodes/status'], verbs: ['get', 'patch'] };
  const pods = { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] };
  const wanted = { events: { kubernetesNodeCondition: true } };
  for (const [values, rules] of [
    [wanted, [status, pods]],
    [{ ...wanted, posture: 'device-only' }, [status]],
  ] as const) {
    const manifests = render(values);
    assert.deepEqual(only(manifests, 'ClusterRole').rules, rules);
    assert.equal(podOf(manifests).automountServiceAccountToken, true);
    const role = only(manifests, 'Role');
    assert.equal(role.metadata.namespace, 'default');
    assert.deepEqual(role.rules, [{ apiGroups: [''], resources: ['events'], verbs: ['create'] }]);
    const binding = only(manifests, 'RoleBinding');
    assert.equal(binding.metadata.namespace, 'default');
    assert.deepEqual(binding.roleRef, {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'Role',
      name: role.metadata.name,
    });
    assert.deepEqual(binding.subjects, only(manifests, 'ClusterRoleBinding').subjects);
  }
  assert.ok(!render({}).some(({ kind }) => kind === 'Role' || kind === 'RoleBinding'));
  assert.match(
    refusal({ ...wanted, sources: { simulator: { enabled: true } } }),
    /a simulated fault would mark a real node/,
  );
});

test('Events are refused where pods have no names', () => {
  const wanted = { events: { kubernetesEvents: true } };
  for (const values of [{ posture: 'device-only' }, { attribution: { kubernetes: 'off' } }]) {
    assert.match(refusal({ ...values, ...wanted }), /needs pod names: set posture to full or trace, and attribution/);
  }
});

test('two releases in different namespaces do not share cluster-wide names', () => {
  const names = ['a', 'b'].map(
    (namespace) => only(render({}, { args: ['--namespace', namespace] }), 'ClusterRole').metadata.name,
  );
  assert.notEqual(names[0], names[1]);
});
