package aggregator

import (
	"pilothouse/backend/metrics"

	"github.com/prometheus/client_golang/prometheus"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

var (
	unavailableNow = metrics.Register(prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "aggregator_unavailable_apiservice",
		Help: "Gauge of APIServices which are marked as unavailable broken down by APIService name.",
	}, []string{"name"}))
	unavailableTotal = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "aggregator_unavailable_apiservice_total",
		Help: "Counter of APIServices which are marked as unavailable broken down by APIService name and reason.",
	}, []string{"name", "reason"}))
)

// count tells the metrics about a condition; changed: it is a new one.
func count(name string, c *apiregistrationv1.APIServiceCondition, changed bool) {
	if c.Status == apiregistrationv1.ConditionTrue {
		unavailableNow.WithLabelValues(name).Set(0)
		return
	}
	unavailableNow.WithLabelValues(name).Set(1)
	if changed {
		unavailableTotal.WithLabelValues(name, c.Reason).Inc()
	}
}

// uncount forgets an APIService that is gone.
func uncount(name string) {
	unavailableNow.DeleteLabelValues(name)
	unavailableTotal.DeletePartialMatch(prometheus.Labels{"name": name})
}
