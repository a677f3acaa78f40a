// Package helm is where Helm 4 is pinned, as a tool of its own module, and has
// the chart that e2e's test of it installs. It is Helm's last minor version that
// is built with Kubernetes' libraries of the version that Pilothouse serves.
package helm
