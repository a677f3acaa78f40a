// Objects like those of a cluster at work, for tests and screenshots.

const apps = ['api-gateway', 'billing', 'cart', 'catalog', 'checkout', 'frontend', 'inventory', 'ledger', 'mailer', 'payments', 'recommender', 'search', 'sessions', 'shipping']
const states = [
  ['Running', {}], ['Running', {}], ['Running', {}], ['Running', {}], ['Running', {}], ['Running', {}], ['Running', {}], ['Running', {}], ['Running', { restarts: 2 }], ['Running', {}], ['Running', {}],
  ['Running', { waiting: 'CrashLoopBackOff', restarts: 14 }], ['Pending', { waiting: 'ImagePullBackOff' }], ['Pending', {}], ['Running', {}], ['Succeeded', {}], ['Running', {}], ['Failed', {}], ['Running', {}],
]
const letters = 'bcdfghjklmnpqrstvwxz2456789'
const suffix = (i) => Array.from({ length: 5 }, (_, k) => letters[Math.floor((i * 7919 + 1234567) % 27 ** 5 / 27 ** k) % 27]).join('')

export const image = (app) => `registry.example/shop/${app}:1.${app.length}.3`

/** pod is a pod of an app. */
export function pod(namespace, app, i) {
  return {
    apiVersion: 'v1', kind: 'Pod',
    metadata: { name: `${app}-${suffix(apps.indexOf(app) + 77)}4-${suffix(i)}`, namespace, labels: { app, tier: i % 3 ? 'web' : 'data', team: namespace } },
    spec: { nodeName: `node-${String(i % 12).padStart(2, '0')}`, terminationGracePeriodSeconds: 0, containers: [
      { name: app, image: image(app), ports: [{ name: 'http', containerPort: 8080 }], resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } } },
      ...(i % 5 ? [] : [{ name: 'proxy', image: 'registry.example/mesh/proxy:2.4' }]),
    ] },
  }
}

export function podStatus(p, i) {
  const [phase, { waiting, restarts = 0 }] = states[i % states.length]
  const running = phase === 'Running' && !waiting
  const started = new Date(Date.now() - (i % 50) * 3600e3).toISOString().replace(/\.\d+/, '')
  return { status: {
    phase, startTime: started, podIP: `10.0.${i >> 8 & 255}.${i & 255}`, hostIP: `192.168.0.${10 + i % 12}`,
    conditions: [
      { type: 'PodScheduled', status: 'True', lastTransitionTime: started },
      { type: 'Ready', status: running ? 'True' : 'False', lastTransitionTime: started, ...(running ? {} : { reason: 'ContainersNotReady', message: `containers with unready status: [${p.spec.containers[0].name}]` }) },
    ],
    containerStatuses: p.spec.containers.map((c) => ({
      name: c.name, image: c.image, imageID: '', ready: running, restartCount: restarts,
      ...(restarts ? { lastState: { terminated: { exitCode: 1, reason: 'Error', finishedAt: started, startedAt: started } } } : {}),
      state: waiting ? { waiting: { reason: waiting, message: 'back-off' } } : phase === 'Succeeded' ? { terminated: { exitCode: 0, reason: 'Completed', startedAt: started, finishedAt: started } }
        : phase === 'Failed' ? { terminated: { exitCode: 137, reason: 'OOMKilled', startedAt: started, finishedAt: started } } : phase === 'Pending' ? { waiting: { reason: 'ContainerCreating' } } : { running: { startedAt: started } },
    })),
  } }
}

/** addPod creates a pod with a status. */
export async function addPod(server, namespace, app, i) {
  const p = pod(namespace, app, i)
  await server.create(`/api/v1/namespaces/${namespace}/pods`, p)
  await server.api('PATCH', `/api/v1/namespaces/${namespace}/pods/${p.metadata.name}/status`, podStatus(p, i), 'application/strategic-merge-patch+json')
  return p
}

/** cluster fills a server with nodes, namespaces, workloads and n pods. */
export async function cluster(server, n = 120) {
  const namespaces = ['shop', 'payments', 'platform', 'team-red', 'team-blue'].slice(0, Math.max(2, Math.min(5, n / 10)))
  for (const name of namespaces) {
    await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
    await server.create(`/api/v1/namespaces/${name}/serviceaccounts`, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: name } }).catch(() => {})
  }
  await server.many(12, (i) => server.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: `node-${String(i).padStart(2, '0')}`, labels: { 'topology.kubernetes.io/zone': 'abc'[i % 3], 'kubernetes.io/os': 'linux' } } }))
  const list = []
  await server.many(n, async (i) => { list.push(await addPod(server, namespaces[i % namespaces.length], apps[i % apps.length], i)) })
  for (const [i, app] of apps.entries()) {
    const namespace = namespaces[i % namespaces.length]
    await server.create(`/apis/apps/v1/namespaces/${namespace}/deployments`, {
      apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: app, namespace, labels: { app } },
      spec: { replicas: 1 + i % 4, selector: { matchLabels: { app } }, template: { metadata: { labels: { app } }, spec: { containers: [{ name: app, image: image(app) }] } } },
    })
    await server.create(`/api/v1/namespaces/${namespace}/configmaps`, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: app + '-config', namespace, labels: { app } }, data: { 'app.properties': `name=${app}\nworkers=${4 + i}\n`, LOG_LEVEL: 'info' } })
  }
  return { namespaces, pods: list }
}
