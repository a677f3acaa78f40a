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
  const whole = n >= 5000 // the fixture of the requirements
  if (whole) for (let i = 5; i < 20; i++) namespaces.push(`team-${String(i).padStart(2, '0')}`)
  for (const name of namespaces) {
    await server.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
    await server.create(`/api/v1/namespaces/${name}/serviceaccounts`, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: name } }).catch(() => {})
  }
  await server.many(whole ? 200 : 12, (i) => server.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: `node-${String(i).padStart(2, '0')}`, labels: { 'topology.kubernetes.io/zone': 'abc'[i % 3], 'kubernetes.io/os': 'linux' } } }))
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
  if (whole) await crowd(server, namespaces, list)
  return { namespaces, pods: list }
}

// crowd adds to a cluster what makes it a large one: 400 apps, 100 definitions of
// custom resources, 20,000 events.
async function crowd(server, namespaces, pods) {
  await server.many(400 - apps.length, (i) => {
    const namespace = namespaces[i % namespaces.length]
    const app = `app-${String(i).padStart(3, '0')}`
    return server.create(`/apis/apps/v1/namespaces/${namespace}/deployments`, {
      apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: app, namespace, labels: { app } },
      spec: { replicas: 1, selector: { matchLabels: { app } }, template: { metadata: { labels: { app } }, spec: { containers: [{ name: app, image: image(app) }] } } },
    })
  })
  await server.many(100, (i) => server.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd(`gadget${i}s`, `Gadget${i}`)))
  await server.many(20_000, (i) => {
    const { name, namespace } = pods[i % pods.length].metadata
    return server.create(`/api/v1/namespaces/${namespace}/events`, {
      apiVersion: 'v1', kind: 'Event', metadata: { name: `${name}.${i}`, namespace }, type: i % 9 ? 'Normal' : 'Warning', reason: i % 9 ? 'Pulled' : 'BackOff',
      message: 'what happened', involvedObject: { kind: 'Pod', apiVersion: 'v1', name, namespace }, firstTimestamp: ago(10), lastTimestamp: ago(1), count: 1,
    })
  })
}

const meta = (name, namespace, more = {}) => ({ name, ...(namespace && { namespace }), ...more })
const owner = (o, apiVersion, kind) => [{ apiVersion, kind, name: o.metadata.name, uid: o.metadata.uid, controller: true, blockOwnerDeletion: true }]
const status = (server, path, value) => server.api('PATCH', path + '/status', { status: value }, 'application/merge-patch+json')
const ago = (minutes) => new Date(Date.now() - minutes * 60e3).toISOString().replace(/\.\d+/, '')

/** crd is a definition of a custom resource with columns and a schema. */
export const crd = (plural, kind, group = 'example.com') => ({
  apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `${plural}.${group}` },
  spec: {
    group, scope: 'Namespaced', names: { plural, singular: kind.toLowerCase(), kind, shortNames: [kind.toLowerCase().slice(0, 2)] },
    versions: [{
      name: 'v1', served: true, storage: true, subresources: { status: {} },
      additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }, { name: 'Phase', type: 'string', jsonPath: '.status.phase' }, { name: 'Engine', type: 'string', jsonPath: '.spec.engine', priority: 1 }],
      schema: { openAPIV3Schema: { type: 'object', properties: {
        spec: { type: 'object', required: ['size'], properties: { size: { type: 'integer', minimum: 1, description: 'How many members there are.' }, engine: { type: 'string', enum: ['postgres', 'mysql'], description: 'What runs.' } } },
        status: { type: 'object', properties: { phase: { type: 'string' } } },
      } } },
    }],
  },
})

/**
 * kinds adds to the namespace shop of a cluster one of each kind that has an
 * overview of its own, and events, as controllers and nodes would leave them.
 */
export async function kinds(server) {
  const ns = '/api/v1/namespaces/shop'
  const apps = '/apis/apps/v1/namespaces/shop'
  await server.api('PATCH', '/api/v1/nodes/node-01', { metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } }, spec: { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] } }, 'application/merge-patch+json')
  for (let i = 0; i < 12; i++) {
    const bad = i === 7
    await status(server, `/api/v1/nodes/node-${String(i).padStart(2, '0')}`, {
      capacity: { cpu: '8', memory: '32Gi', pods: '110', 'ephemeral-storage': '200Gi' }, allocatable: { cpu: '7800m', memory: '30Gi', pods: '110', 'ephemeral-storage': '180Gi' },
      addresses: [{ type: 'InternalIP', address: `192.168.0.${10 + i}` }, { type: 'Hostname', address: `node-${i}` }],
      nodeInfo: { kubeletVersion: 'v1.36.2', osImage: 'Debian GNU/Linux 13', kernelVersion: '6.12.9', containerRuntimeVersion: 'containerd://2.1.0', architecture: 'amd64', operatingSystem: 'linux', machineID: '', systemUUID: '', bootID: '', kubeProxyVersion: '' },
      conditions: [
        { type: 'Ready', status: bad ? 'Unknown' : 'True', reason: bad ? 'NodeStatusUnknown' : 'KubeletReady', message: bad ? 'Kubelet stopped posting node status.' : 'kubelet is posting ready status', lastTransitionTime: ago(90), lastHeartbeatTime: ago(1) },
        { type: 'MemoryPressure', status: 'False', reason: 'KubeletHasSufficientMemory', lastTransitionTime: ago(900), lastHeartbeatTime: ago(1) },
      ],
    })
  }
  const deployment = await server.api('GET', `${apps}/deployments/api-gateway`)
  const template = { metadata: { labels: { app: 'api-gateway', 'pod-template-hash': '6c9f' } }, spec: deployment.spec.template.spec }
  const rs = await server.create(`${apps}/replicasets`, { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: meta('api-gateway-6c9f', 'shop', { labels: { app: 'api-gateway' }, annotations: { 'deployment.kubernetes.io/revision': '2' }, ownerReferences: owner(deployment, 'apps/v1', 'Deployment') }), spec: { replicas: 1, selector: { matchLabels: { app: 'api-gateway', 'pod-template-hash': '6c9f' } }, template } })
  const older = structuredClone(template)
  older.metadata.labels['pod-template-hash'] = '5b7d'
  older.spec.containers[0].image = 'registry.example/shop/api-gateway:1.10.0'
  await server.create(`${apps}/replicasets`, { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: meta('api-gateway-5b7d', 'shop', { labels: { app: 'api-gateway' }, annotations: { 'deployment.kubernetes.io/revision': '1' }, ownerReferences: owner(deployment, 'apps/v1', 'Deployment') }), spec: { replicas: 0, selector: { matchLabels: { app: 'api-gateway', 'pod-template-hash': '5b7d' } }, template: older } })
  const p = pod('shop', 'api-gateway', 4242)
  p.metadata.ownerReferences = owner(rs, 'apps/v1', 'ReplicaSet')
  p.metadata.name = 'api-gateway-6c9f-x2b7q'
  p.metadata.labels['pod-template-hash'] = '6c9f'
  p.spec.containers[0].env = [{ name: 'LOG_LEVEL', valueFrom: { configMapKeyRef: { name: 'api-gateway-config', key: 'LOG_LEVEL' } } }, { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'gateway-token', key: 'token' } } }]
  p.spec.containers[0].volumeMounts = [{ name: 'config', mountPath: '/etc/gateway' }, { name: 'data', mountPath: '/var/lib/gateway' }]
  p.spec.containers[0].readinessProbe = { httpGet: { path: '/ready', port: 8080 } }
  p.spec.volumes = [{ name: 'config', configMap: { name: 'api-gateway-config' } }, { name: 'data', persistentVolumeClaim: { claimName: 'gateway-data' } }]
  await server.create(`${ns}/pods`, p)
  await status(server, `${ns}/pods/${p.metadata.name}`, podStatus(p, 0).status)
  await status(server, `${apps}/deployments/api-gateway`, { replicas: 1, readyReplicas: 1, updatedReplicas: 1, availableReplicas: 1, observedGeneration: 1, conditions: [{ type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable', message: 'Deployment has minimum availability.', lastTransitionTime: ago(50), lastUpdateTime: ago(50) }] })
  await status(server, `${apps}/replicasets/api-gateway-6c9f`, { replicas: 1, readyReplicas: 1, availableReplicas: 1 })
  await server.create(`${ns}/secrets`, { apiVersion: 'v1', kind: 'Secret', metadata: meta('gateway-token', 'shop'), type: 'Opaque', data: { token: Buffer.from('s3cr3t-t0ken').toString('base64'), 'config.json': Buffer.from('{"a":1}\n').toString('base64') } })
  await server.create(`${ns}/services`, { apiVersion: 'v1', kind: 'Service', metadata: meta('api-gateway', 'shop', { labels: { app: 'api-gateway' } }), spec: { selector: { app: 'api-gateway' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }, { name: 'metrics', port: 9090 }] } })
  await server.create('/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices', {
    apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: meta('api-gateway-abc', 'shop', { labels: { 'kubernetes.io/service-name': 'api-gateway' } }), addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }, { name: 'metrics', port: 9090, protocol: 'TCP' }],
    endpoints: [
      { addresses: ['10.0.16.146'], conditions: { ready: true, serving: true, terminating: false }, nodeName: 'node-06', zone: 'a', targetRef: { kind: 'Pod', name: p.metadata.name, namespace: 'shop' } },
      { addresses: ['10.0.16.147'], conditions: { ready: false, serving: false, terminating: true }, nodeName: 'node-07', targetRef: { kind: 'Pod', name: 'api-gateway-old', namespace: 'shop' } },
    ],
  })
  await server.create('/apis/networking.k8s.io/v1/namespaces/shop/ingresses', {
    apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: meta('shop', 'shop'),
    spec: { ingressClassName: 'nginx', tls: [{ hosts: ['shop.example'], secretName: 'gateway-token' }], rules: [{ host: 'shop.example', http: { paths: [
      { path: '/api', pathType: 'Prefix', backend: { service: { name: 'api-gateway', port: { name: 'http' } } } }, { path: '/', pathType: 'Prefix', backend: { service: { name: 'frontend', port: { number: 80 } } } },
    ] } }] },
  })
  await server.create('/api/v1/persistentvolumes', { apiVersion: 'v1', kind: 'PersistentVolume', metadata: meta('pv-gateway'), spec: { capacity: { storage: '20Gi' }, accessModes: ['ReadWriteOnce'], storageClassName: 'fast', hostPath: { path: '/data' }, claimRef: { kind: 'PersistentVolumeClaim', namespace: 'shop', name: 'gateway-data' } } })
  await server.create(`${ns}/persistentvolumeclaims`, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: meta('gateway-data', 'shop'), spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'fast', volumeName: 'pv-gateway', resources: { requests: { storage: '20Gi' } } } })
  await status(server, `${ns}/persistentvolumeclaims/gateway-data`, { phase: 'Bound', accessModes: ['ReadWriteOnce'], capacity: { storage: '20Gi' } })
  await status(server, '/api/v1/persistentvolumes/pv-gateway', { phase: 'Bound' })
  const cron = await server.create('/apis/batch/v1/namespaces/shop/cronjobs', { apiVersion: 'batch/v1', kind: 'CronJob', metadata: meta('report', 'shop'), spec: { schedule: '*/15 * * * *', timeZone: 'Europe/Berlin', concurrencyPolicy: 'Forbid', jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'report', image: 'registry.example/shop/report:3' }] } } } } } })
  await status(server, '/apis/batch/v1/namespaces/shop/cronjobs/report', { lastScheduleTime: ago(7), lastSuccessfulTime: ago(6) })
  await server.create('/apis/batch/v1/namespaces/shop/jobs', { apiVersion: 'batch/v1', kind: 'Job', metadata: meta('report-28700', 'shop', { ownerReferences: owner(cron, 'batch/v1', 'CronJob') }), spec: { completions: 4, parallelism: 2, backoffLimit: 3, template: { spec: { restartPolicy: 'Never', containers: [{ name: 'report', image: 'registry.example/shop/report:3' }] } } } })
  await status(server, '/apis/batch/v1/namespaces/shop/jobs/report-28700', { active: 1, succeeded: 2, failed: 1, startTime: ago(7) })
  await server.create('/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers', { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: meta('api-gateway', 'shop'), spec: { minReplicas: 1, maxReplicas: 8, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'api-gateway' }, metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } }] } })
  await status(server, '/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/api-gateway', { currentReplicas: 1, desiredReplicas: 2, lastScaleTime: ago(20), currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 88, averageValue: '88m' } } }], conditions: [{ type: 'ScalingActive', status: 'True', reason: 'ValidMetricFound', lastTransitionTime: ago(99) }] })
  for (const [kind, plural] of [['StatefulSet', 'statefulsets'], ['DaemonSet', 'daemonsets']]) {
    const name = kind === 'StatefulSet' ? 'ledger-db' : 'log-agent'
    await server.create(`${apps}/${plural}`, { apiVersion: 'apps/v1', kind, metadata: meta(name, 'shop'), spec: { ...(kind === 'StatefulSet' && { serviceName: name, replicas: 3, volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'fast', resources: { requests: { storage: '50Gi' } } } }] }), selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: { containers: [{ name, image: `registry.example/${name}:1` }] } } } })
    await status(server, `${apps}/${plural}/${name}`, kind === 'StatefulSet' ? { replicas: 3, readyReplicas: 2, currentReplicas: 3, updatedReplicas: 3 } : { currentNumberScheduled: 12, desiredNumberScheduled: 12, numberMisscheduled: 0, numberReady: 11, numberAvailable: 11, numberUnavailable: 1, updatedNumberScheduled: 12 })
  }
  // What admits requests is for a group that nothing else has.
  const rules = [{ apiGroups: ['example.org'], apiVersions: ['*'], operations: ['CREATE', 'UPDATE'], resources: ['ships', 'ships/status'] }]
  const admission = '/apis/admissionregistration.k8s.io/v1'
  await server.create(`${admission}/validatingwebhookconfigurations`, { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration', metadata: meta('harbour'), webhooks: [{ name: 'ships.example.org', rules, clientConfig: { service: { namespace: 'shop', name: 'api-gateway', path: '/admit', port: 8443 } }, failurePolicy: 'Fail', sideEffects: 'None', admissionReviewVersions: ['v1'], timeoutSeconds: 5, namespaceSelector: { matchLabels: { team: 'edge' } } }] })
  await server.create(`${admission}/validatingadmissionpolicies`, { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicy', metadata: meta('flags'), spec: { failurePolicy: 'Fail', matchConstraints: { resourceRules: rules }, variables: [{ name: 'flag', expression: 'object.spec.flag' }], validations: [{ expression: 'variables.flag != ""', message: 'a ship needs a flag', reason: 'Invalid' }] } })
  await server.create(`${admission}/validatingadmissionpolicybindings`, { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicyBinding', metadata: meta('flags-everywhere'), spec: { policyName: 'flags', validationActions: ['Deny', 'Audit'] } })
  await server.create('/apis/storage.k8s.io/v1/storageclasses', { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: meta('fast'), provisioner: 'disks.example', reclaimPolicy: 'Delete', volumeBindingMode: 'WaitForFirstConsumer', allowVolumeExpansion: true, parameters: { type: 'ssd' } })
  await server.create(`${ns}/resourcequotas`, { apiVersion: 'v1', kind: 'ResourceQuota', metadata: meta('shop', 'shop'), spec: { hard: { pods: '200', 'requests.cpu': '40', 'requests.memory': '64Gi', configmaps: '20', services: '10' } } })
  await server.create(`${ns}/persistentvolumeclaims`, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: meta('data-ledger-db-0', 'shop'), spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'fast', resources: { requests: { storage: '50Gi' } } } })
  await server.create(`${ns}/limitranges`, { apiVersion: 'v1', kind: 'LimitRange', metadata: meta('shop', 'shop'), spec: { limits: [{ type: 'Container', max: { cpu: '4', memory: '8Gi' }, defaultRequest: { cpu: '50m', memory: '64Mi' } }] } })
  await server.create('/apis/policy/v1/namespaces/shop/poddisruptionbudgets', { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: meta('api-gateway', 'shop'), spec: { minAvailable: 1, selector: { matchLabels: { app: 'api-gateway' } } } })
  await server.create('/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles', { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: meta('deployer', 'shop'), rules: [{ apiGroups: ['apps'], resources: ['deployments', 'deployments/scale'], verbs: ['get', 'list', 'watch', 'update', 'patch'] }, { apiGroups: [''], resources: ['pods', 'configmaps'], verbs: ['get', 'list', 'watch'] }] })
  await server.create('/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings', { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: meta('deployers', 'shop'), roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'deployer' }, subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'dev' }, { kind: 'ServiceAccount', name: 'ci', namespace: 'platform' }] })
  await server.create('/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies', { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: meta('gateway', 'shop'), spec: { podSelector: { matchLabels: { app: 'api-gateway' } }, policyTypes: ['Ingress'], ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'edge' } } }], ports: [{ port: 8080 }] }] } })
  await server.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd('databases', 'Database'))
  const db = { apiVersion: 'example.com/v1', kind: 'Database', metadata: meta('orders', 'shop'), spec: { size: 3, engine: 'postgres' } }
  for (let end = Date.now() + 30e3; ;) {
    try { await server.create('/apis/example.com/v1/namespaces/shop/databases', db); break } catch (e) { if (Date.now() > end) throw e }
  }
  await status(server, '/apis/example.com/v1/namespaces/shop/databases/orders', { phase: 'Running' })
  const events = [
    ['Pod', p.metadata.name, 'Unhealthy', 'Readiness probe failed: HTTP probe failed with statuscode: 503', 3], ['Pod', p.metadata.name, 'BackOff', 'Back-off restarting failed container gateway', 17],
    ['Node', 'node-07', 'NodeNotReady', 'Node node-07 status is now: NodeNotReady', 1], ['Deployment', 'api-gateway', 'ReplicaSetCreateError', 'Failed to create new replica set: quota exceeded', 2],
  ]
  for (const [i, [kind, name, reason, message, count]] of events.entries()) {
    await server.create(`/api/v1/namespaces/${kind === 'Node' ? 'default' : 'shop'}/events`, {
      apiVersion: 'v1', kind: 'Event', metadata: meta(`${name}.${i}`, kind === 'Node' ? 'default' : 'shop'), type: 'Warning', reason, message, count, firstTimestamp: ago(40), lastTimestamp: ago(3 * i + 1), source: { component: 'kubelet' },
      involvedObject: { kind, name, apiVersion: kind === 'Deployment' ? 'apps/v1' : 'v1', ...(kind !== 'Node' && { namespace: 'shop' }), ...(kind === 'Deployment' && { uid: deployment.metadata.uid }) },
    })
  }
}
