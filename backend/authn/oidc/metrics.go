package oidc

import (
	"crypto/sha256"
	"fmt"
	"sync"

	"pilothouse/backend/metrics"

	"github.com/prometheus/client_golang/prometheus"
)

// The names and labels are kube-apiserver's, but for apiserver_id_hash: there is
// one server.
var (
	latency = metrics.Register(prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "apiserver_authentication_jwt_authenticator_latency_seconds",
		Help:    "Latency of jwt authentication operations in seconds. This is the time spent authenticating a token for cache miss only (i.e. when the token is not found in the cache).",
		Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"result", "jwt_issuer_hash"}))
	keysFetched = metrics.Register(prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "apiserver_authentication_jwt_authenticator_jwks_fetch_last_timestamp_seconds",
		Help: "Timestamp of the last successful or failed JWKS fetch split by result and jwt issuer for the JWT authenticator.",
	}, []string{"result", "jwt_issuer_hash"}))
	keysInfo = metrics.Register(prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "apiserver_authentication_jwt_authenticator_jwks_fetch_last_key_set_info",
		Help: "Information about the last JWKS fetched by the JWT authenticator with hash as label, split by jwt issuer.",
	}, []string{"jwt_issuer_hash", "hash"}))
	reloads = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_authentication_config_controller_automatic_reloads_total",
		Help: "Total number of automatic reloads of authentication configuration split by status.",
	}, []string{"status"}))
	reloadedAt = metrics.Register(prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "apiserver_authentication_config_controller_automatic_reload_last_timestamp_seconds",
		Help: "Timestamp of the last automatic reload of authentication configuration split by status.",
	}, []string{"status"}))
	configInfo = metrics.Register(prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "apiserver_authentication_config_controller_last_config_info",
		Help: "Information about the last applied authentication configuration with hash as label.",
	}, []string{"hash"}))
)

func hashOf(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text)))
}

const (
	success = "success"
	failure = "failure"
)

func result(err error) string {
	if err != nil {
		return failure
	}
	return success
}

// keysMu makes a change of the set of keys of an issuer one step.
var keysMu sync.Mutex

// fetched notes that an issuer's keys were asked for; keys is what came.
func fetched(issuer string, keys []byte, err error) {
	hash := hashOf(issuer)
	keysFetched.WithLabelValues(result(err), hash).SetToCurrentTime()
	if err != nil {
		return
	}
	keysMu.Lock()
	defer keysMu.Unlock()
	keysInfo.DeletePartialMatch(prometheus.Labels{"jwt_issuer_hash": hash})
	keysInfo.WithLabelValues(hash, hashOf(string(keys))).Set(1)
}

// forget drops the metrics about the keys of an issuer that is not configured
// any more.
func forget(issuer string) {
	labels := prometheus.Labels{"jwt_issuer_hash": hashOf(issuer)}
	keysMu.Lock()
	defer keysMu.Unlock()
	keysInfo.DeletePartialMatch(labels)
	keysFetched.DeletePartialMatch(labels)
}

// reloaded notes that the file was read again because it had changed.
func reloaded(content []byte, err error) {
	status := result(err)
	reloads.WithLabelValues(status).Inc()
	reloadedAt.WithLabelValues(status).SetToCurrentTime()
	if err == nil {
		applied(content)
	}
}

// applied notes which configuration holds.
func applied(content []byte) {
	configInfo.Reset()
	configInfo.WithLabelValues(hashOf(string(content))).Set(1)
}
