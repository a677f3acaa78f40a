// Package metricsserver is where metrics-server, the API server behind kubectl
// top, is pinned as a tool of its own module.
package metricsserver
