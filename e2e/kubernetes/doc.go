// Package kubernetes is where Kubernetes' own programs are pinned, as tools of a
// module of their own: kube-controller-manager, kube-scheduler, kubelet and
// kube-proxy. They take long to build: only make e2e-kubernetes does.
package kubernetes
