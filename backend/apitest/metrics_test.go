package apitest

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
)

// figure gives the value of a series of /metrics, -1 when it is not there.
func figure(t *testing.T, s *Server, series string) float64 {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindSubmatch(s.Admin().Get("/metrics").Must(200).Body)
	if found == nil {
		return -1
	}
	v, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(series, err)
	}
	return v
}

// Dashboards and alerts that were made for kube-apiserver find their metrics.
func TestMetricsOfStorageAndWatches(t *testing.T) {
	s := Start(t)
	const maps = "/api/v1/namespaces/default/configmaps"
	w := s.Admin().Watch(maps + "?fieldSelector=metadata.name%3Dmetered")
	calls := func(operation string) string {
		return `etcd_request_duration_seconds_count{group="",operation="` + operation + `",resource="configmaps"}`
	}
	const sent = `apiserver_watch_events_total{group="",resource="configmaps",version="v1"}`
	before := map[string]float64{}
	grown := func(series string, by float64) {
		t.Helper()
		eventually(t, func() string {
			if now := figure(t, s, series); now < before[series]+by {
				return fmt.Sprintf("%s is %v, was %v, should be %v more", series, now, before[series], by)
			}
			return ""
		})
	}
	const objects, received = `apiserver_resource_objects{group="",resource="configmaps"}`, `apiserver_watch_cache_events_received_total{group="",resource="configmaps"}`
	for _, series := range []string{sent, calls("create"), calls("update"), calls("delete"), objects, received} {
		before[series] = max(0, figure(t, s, series))
	}
	s.Admin().Post(maps, `{"metadata":{"name":"metered"},"data":{"a":"b"}}`).Must(201)
	s.Admin().Patch(maps+"/metered", `{"data":{"a":"c"}}`).Must(200)
	w.Next()
	w.Next()
	grown(sent, 2)
	grown(calls("create"), 1)
	grown(calls("update"), 1)
	grown(objects, 1)
	grown(received, 2)
	s.Admin().Delete(maps + "/metered").Must(200)
	grown(calls("delete"), 1)
	w.Next()
	grown(sent, 3)
	for _, series := range []string{
		`apiserver_storage_size_bytes{storage_cluster_id="etcd-0"}`, `apiserver_resource_size_estimate_bytes{group="",resource="namespaces"}`,
		`apiserver_storage_objects{resource="clusterroles.rbac.authorization.k8s.io"}`, `workqueue_adds_total{name="root_ca_cert_publisher"}`,
		`apiserver_watch_cache_resource_version{group="",resource="pods"}`,
	} {
		before[series] = 0
		grown(series, 1) // loops and what measures storage run beside
	}
}
