package e2e

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// dnsRoles are CoreDNS's, as https://github.com/coredns/deployment has them.
const dnsRoles = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: coredns, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "system:coredns", labels: {kubernetes.io/bootstrapping: rbac-defaults}}
rules:
- {apiGroups: [""], resources: [endpoints, services, pods, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "system:coredns", annotations: {rbac.authorization.kubernetes.io/autoupdate: "true"}, labels: {kubernetes.io/bootstrapping: rbac-defaults}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:coredns"}
subjects: [{kind: ServiceAccount, name: coredns, namespace: kube-system}]
`

const dnsShop = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: web:1, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: db:1, ports: [{name: sql, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: sql, port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere, namespace: shop}
spec: {type: ExternalName, externalName: web.shop.svc.cluster.local}
`

// TestRealCoreDNS asks CoreDNS for what is in the cluster.
func TestRealCoreDNS(t *testing.T) {
	program := realProgram(t, "coredns/coredns")
	k := newKubectl(t, start(t, t.TempDir(), "--node=sim"))
	k.runWith(dnsRoles+"---"+dnsShop, "apply -f -", "service/elsewhere created")
	k.run("rollout status -n shop deploy/web --timeout=60s", "successfully rolled out")
	k.run("rollout status -n shop sts/db --timeout=60s", "2 new pods")

	port, health := freePort(t), freePort(t)
	corefile := filepath.Join(t.TempDir(), "Corefile")
	write(t, corefile, []byte(`.:`+port+` {
	bind 127.0.0.1
	errors
	ready 127.0.0.1:`+health+`
	kubernetes cluster.local in-addr.arpa ip6.arpa {
		kubeconfig `+asAccount(t, k, "kube-system", "coredns")+`
		pods verified
		ttl 0
	}
	loadbalance
}
`))
	dns := startReal(t, program, nil, "-conf", corefile)
	dns.awaits(t, "a CoreDNS that is ready", func() bool { return answers("http://127.0.0.1:" + health + "/ready") })
	q := &resolver{t, &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
	}}}

	ip := func(kind, name string) string {
		path := map[string]string{"svc": "{.spec.clusterIP}", "pod": "{.status.podIP}"}[kind]
		return k.run("get " + kind + " " + name + " -n shop -o jsonpath=" + path)
	}
	web := ip("svc", "web")
	q.host("web.shop.svc.cluster.local", web)
	q.host("kubernetes.default.svc.cluster.local", "10.0.0.1")
	q.host("elsewhere.shop.svc.cluster.local", web)
	q.srv("_http._tcp.web.shop.svc.cluster.local", "web.shop.svc.cluster.local.:80")
	q.reverse(web, "web.shop.svc.cluster.local.")

	// A headless service has its pods, by their names and as one.
	q.host("db.shop.svc.cluster.local", ip("pod", "db-0"), ip("pod", "db-1"))
	q.host("db-1.db.shop.svc.cluster.local", ip("pod", "db-1"))
	q.srv("_sql._tcp.db.shop.svc.cluster.local", "db-0.db.shop.svc.cluster.local.:5432", "db-1.db.shop.svc.cluster.local.:5432")
	q.reverse(ip("pod", "db-0"), "db-0.db.shop.svc.cluster.local.")

	// Pods are known by their addresses, if there is such a pod.
	dashed := func(ip string) string { return strings.ReplaceAll(ip, ".", "-") }
	first := ip("pod", "db-0")
	q.host(dashed(first)+".shop.pod.cluster.local", first)
	q.nothing(dashed(first) + ".default.pod.cluster.local")
	q.nothing("192-0-2-1.shop.pod.cluster.local")
	q.nothing("nobody.shop.svc.cluster.local")

	// What comes and goes later.
	k.run("scale sts/db -n shop --replicas=3", "scaled")
	k.run("rollout status -n shop sts/db --timeout=60s", "3 new pods")
	q.host("db-2.db.shop.svc.cluster.local", ip("pod", "db-2"))
	k.run("expose deploy/web -n shop --name=later --port=81", "exposed")
	q.host("later.shop.svc.cluster.local", ip("svc", "later"))
	k.run("scale sts/db -n shop --replicas=1", "scaled")
	q.host("db.shop.svc.cluster.local", first)
	k.run("delete svc web -n shop", "deleted")
	q.nothing("web.shop.svc.cluster.local")
	k.run("delete ns shop --timeout=60s", "deleted")
	q.nothing("later.shop.svc.cluster.local")
	dns.alive(t)
}

// resolver asks a DNS server until it says what it should.
type resolver struct {
	t *testing.T
	r *net.Resolver
}

// says waits for these answers, in any order.
func (q *resolver) says(name string, ask func(context.Context) ([]string, error), want ...string) {
	q.t.Helper()
	slices.Sort(want)
	deadline := time.Now().Add(waitTimeout)
	for {
		ctx, cancel := context.WithTimeout(q.t.Context(), 10*time.Second)
		got, err := ask(ctx)
		cancel()
		slices.Sort(got)
		var missing *net.DNSError
		switch {
		case len(want) == 0 && errors.As(err, &missing) && missing.IsNotFound, err == nil && slices.Equal(got, want):
			return
		case time.Now().After(deadline):
			q.t.Errorf("%s is %v, %v, want %v", name, got, err, want)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (q *resolver) host(name string, want ...string) {
	q.t.Helper()
	q.says(name, func(ctx context.Context) ([]string, error) { return q.r.LookupHost(ctx, name+".") }, want...)
}

func (q *resolver) nothing(name string) {
	q.t.Helper()
	q.host(name)
}

func (q *resolver) srv(name string, want ...string) {
	q.t.Helper()
	q.says(name, func(ctx context.Context) (all []string, err error) {
		_, list, err := q.r.LookupSRV(ctx, "", "", name+".")
		for _, s := range list {
			all = append(all, s.Target+":"+strconv.Itoa(int(s.Port)))
		}
		return all, err
	}, want...)
}

func (q *resolver) reverse(ip string, want ...string) {
	q.t.Helper()
	q.says(ip, func(ctx context.Context) ([]string, error) { return q.r.LookupAddr(ctx, ip) }, want...)
}
