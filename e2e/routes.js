// The addresses of every kind of page that there is, for tests of all of them.

/** allRoutes gives them for a server with the fixtures cluster and kinds; pod is one
 * of the cluster's. */
export async function allRoutes(server, pod) {
  const { namespace, name } = pod.metadata
  const shop = (path) => `/ui/apis/${path.replace('/', '/v1/namespaces/shop/')}`
  const page = `/ui/api/v1/namespaces/${namespace}/pods/${name}`
  await fetch(server.url + '/api/v1/namespaces/shop/pods', { method: 'POST', headers: { Authorization: 'Bearer token-admin', 'Audit-ID': 'look-1', 'Content-Type': 'application/json' }, body: JSON.stringify({ metadata: { name: 'Look' }, spec: { containers: [] } }) })
  return [
    '/ui/', '/ui/resources', '/ui/api/v1/pods', `/ui/api/v1/namespaces/${namespace}/pods?sort=restarts&desc=1&wide=1`, '/ui/api/v1/pods?q=-l+app%3D(', '/ui/api/v1/pods?q=nothing-has-this',
    page, page + '?tab=yaml', page + '?tab=events', page + '?tab=related', page + '?tab=logs', page + '?tab=shell', `/ui/logs?ns=${namespace}&q=-l+tier%3Dweb`, page + '?tab=access', page + '?edit=1', page + '?delete=1', '/ui/apply?list=/ui/api/v1/configmaps',
    // An overview of each kind that has one of its own.
    '/ui/api/v1/namespaces/shop/pods/api-gateway-6c9f-x2b7q', shop('apps/deployments/api-gateway'), shop('apps/daemonsets/log-agent'), '/ui/api/v1/namespaces/shop/services/api-gateway', shop('networking.k8s.io/ingresses/shop'),
    shop('networking.k8s.io/networkpolicies/gateway'), '/ui/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/harbour', '/ui/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/flags', '/ui/api/v1/nodes/node-01', '/ui/api/v1/namespaces/shop', '/ui/api/v1/namespaces/shop/secrets/gateway-token', '/ui/api/v1/namespaces/shop/persistentvolumeclaims/gateway-data',
    shop('batch/jobs/report-28700'), shop('batch/cronjobs/report'), '/ui/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/api-gateway', shop('rbac.authorization.k8s.io/roles/deployer'), shop('rbac.authorization.k8s.io/rolebindings/deployers'),
    '/ui/apis/apiextensions.k8s.io/v1/customresourcedefinitions/databases.example.com', shop('example.com/databases/orders'),
    '/ui/search?q=cart', '/ui/whoami', '/ui/sessions', '/ui/help', '/ui/access', '/ui/whocan', '/ui/whocan?verb=get&resource=pods', '/ui/subject?kind=ServiceAccount&name=job-controller&ns=kube-system', '/ui/nowhere',
    '/ui/requests', '/ui/requests?what=all', '/ui/requests/look-1', '/ui/audit', '/ui/changes', '/ui/changes?since=x', page + '?tab=history',
    '/ui/explore', '/ui/explore?q=liveness', '/ui/explore/kind?gv=apis/apps/v1&kind=Deployment', '/ui/explore/kind?gv=api/v1&kind=Pod&field=spec.containers',
    '/ui/explore/op?gv=api/v1&method=POST&path=/api/v1/namespaces/{namespace}/configmaps', '/ui/explore/op?gv=api/v1&method=GET&path=/api/v1/pods', '/ui/api/v1/pods?view=watch', page + '?tab=watch', '/ui/api/v1/pods?view=watch&from=x', '/ui/window', `/ui/logs?of=pods/${namespace}/${name}`,
  ]
}
