// Package podspec owns what every kind with a pod template shares: the defaults
// of pod specs and templates, their validation on create and update, and the
// warnings about dubious ones. The words and the order of faults are those of
// Kubernetes 1.36. Read defaults.go first, then validate.go.
package podspec
