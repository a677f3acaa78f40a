// Package kwok is where KWOK (https://kwok.sigs.k8s.io), which plays the kubelets
// of any number of nodes, is pinned as a tool of its own module.
package kwok
