package crd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/client"
	"pilothouse/backend/config"
	"pilothouse/backend/request"
)

const (
	rollouts    = "/apis/bench.example.com/v1/namespaces/default/rollouts"
	deployments = "/apis/apps/v1/namespaces/default/deployments"
)

// workload is a Deployment, and a Rollout: the custom resource whose schema is
// the Deployment's own.
const workload = `{"apiVersion":%q,"kind":%q,"metadata":{"name":%q,"namespace":"default","labels":{"app":"web","team":"shop"},"annotations":{"example.com/revision":"%d"}},
"spec":{"replicas":3,"minReadySeconds":5,"revisionHistoryLimit":10,"progressDeadlineSeconds":600,"selector":{"matchLabels":{"app":"web"}},
"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%%","maxUnavailable":1}},
"template":{"metadata":{"labels":{"app":"web","team":"shop"},"annotations":{"prometheus.io/scrape":"true"}},
"spec":{"serviceAccountName":"web","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler","nodeSelector":{"kubernetes.io/os":"linux"},
"securityContext":{"runAsNonRoot":true,"runAsUser":1000,"fsGroup":1000},
"tolerations":[{"key":"dedicated","operator":"Equal","value":"web","effect":"NoSchedule"}],
"volumes":[{"name":"config","configMap":{"name":"web-config","defaultMode":420}},{"name":"cache","emptyDir":{}}],
"containers":[
{"name":"main","image":"registry.example.com/shop/web:v1.2.3","imagePullPolicy":"IfNotPresent","args":["--listen=:8080","--verbose"],"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File",
"env":[{"name":"A","value":"1"},{"name":"B","value":"2"},{"name":"POD","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}},{"name":"TOKEN","valueFrom":{"secretKeyRef":{"name":"web","key":"token"}}}],
"ports":[{"containerPort":8080,"name":"http","protocol":"TCP"},{"containerPort":9090,"name":"metrics","protocol":"TCP"}],
"resources":{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"cpu":"1","memory":"256Mi"}},
"readinessProbe":{"httpGet":{"path":"/ready","port":8080,"scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},
"livenessProbe":{"httpGet":{"path":"/live","port":"http","scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},
"volumeMounts":[{"name":"config","mountPath":"/etc/web"},{"name":"cache","mountPath":"/var/cache/web"}]},
{"name":"proxy","image":"registry.example.com/mesh/proxy:v4","imagePullPolicy":"IfNotPresent","args":["proxy"],"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File",
"ports":[{"containerPort":15001,"name":"proxy","protocol":"TCP"}],"resources":{"requests":{"cpu":"10m","memory":"32Mi"}}}]}}}}`

// BenchmarkCustomResource is what a custom resource costs next to a built-in one
// of the same size and depth, through all filters, admission, validation and
// storage, on a data folder. Times are the processor's: the disk has its own.
func BenchmarkCustomResource(b *testing.B) {
	s := apitest.Start(b, apitest.Options{Change: func(o *config.Options) { o.Features.Controllers = []string{"-*"} }})
	s.Admin().Post(definitions, rolloutDefinition(b, s)).Must(http.StatusCreated)
	for start := time.Now(); s.Admin().Get(rollouts).Code != http.StatusOK; {
		if time.Since(start) > 30*time.Second {
			b.Fatal("it is not served")
		}
	}
	admin := client.New(s.Handler(), &request.User{Name: "admin", Groups: []string{"system:masters", "system:authenticated"}}, "bench")
	kinds := []struct{ name, apiVersion, kind, path string }{{"deployment", "apps/v1", "Deployment", deployments}, {"custom", "bench.example.com/v1", "Rollout", rollouts}}
	call := func(b *testing.B, c client.Call) []byte {
		body, err := admin.Bytes(context.Background(), c)
		if err != nil {
			b.Fatal(err)
		}
		return body
	}
	s.Admin().Get("/openapi/v2").Must(http.StatusOK) // or it would be made meanwhile
	created := 0
	for _, verb := range []string{"create", "update", "patch", "apply", "get", "list"} {
		var builtIn float64
		for _, k := range kinds {
			object := func(name string, revision int) []byte {
				return fmt.Appendf(nil, workload, k.apiVersion, k.kind, name, revision)
			}
			b.Run(verb+"/"+k.name, func(b *testing.B) {
				switch verb {
				case "update", "patch", "apply", "get":
					_, err := admin.Bytes(context.Background(), client.Call{Method: "POST", Path: k.path, Body: object(verb, 0)})
					if err != nil && !strings.Contains(err.Error(), "already exists") {
						b.Fatal(err)
					}
				case "list":
					for i := range 500 {
						_, _ = admin.Bytes(context.Background(), client.Call{Method: "POST", Path: strings.Replace(k.path, "default", "kube-public", 1),
							Body: []byte(strings.Replace(string(object(fmt.Sprint("listed-", i), 0)), `"namespace":"default"`, `"namespace":"kube-public"`, 1))}) // from the second round on they are there
					}
				}
				// Schemas are compiled when they are first needed.
				_, _ = admin.Bytes(context.Background(), client.Call{Method: "POST", Path: k.path, Body: object("first", 0)})
				b.ReportAllocs()
				before, n := processorTime(), 0
				for b.Loop() {
					n++
					created++
					switch item := k.path + "/" + verb; verb {
					case "create":
						call(b, client.Call{Method: "POST", Path: k.path, Body: object(fmt.Sprint("made-", created), 0)})
					case "update":
						call(b, client.Call{Method: "PUT", Path: item, Body: withRevision(b, call(b, client.Call{Method: "GET", Path: item}), created)})
					case "patch":
						call(b, client.Call{Method: "PATCH", Path: item, ContentType: "application/merge-patch+json", Body: fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, created%50)})
					case "apply":
						call(b, client.Call{Method: "PATCH", Path: item, ContentType: "application/apply-patch+yaml", Query: url.Values{"fieldManager": {"a"}, "force": {"true"}}, Body: object("apply", created)})
					case "get":
						call(b, client.Call{Method: "GET", Path: item})
					case "list":
						b.SetBytes(int64(len(call(b, client.Call{Method: "GET", Path: strings.Replace(k.path, "default", "kube-public", 1)}))))
					}
				}
				each := float64(processorTime()-before) / float64(n)
				if k.name == "deployment" {
					builtIn = each
				}
				b.ReportMetric(each/1000, "cpu-us/op")
				b.ReportMetric(each/builtIn, "x-builtin")
			})
		}
	}
}

// withRevision is an object as a controller sends it back, with one annotation
// changed.
func withRevision(b *testing.B, object []byte, revision int) []byte {
	_, rest, ok := strings.Cut(string(object), `"example.com/revision":"`)
	if !ok {
		b.Fatalf("no annotation: %s", object)
	}
	end := strings.IndexByte(rest, '"')
	at := len(object) - len(rest)
	return fmt.Appendf(nil, "%s%d%s", object[:at], revision, object[at+end:])
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rolloutDefinition makes a definition with the schema of a Deployment: a
// thousand fields, as definitions with a pod template have them, and a rule.
func rolloutDefinition(b *testing.B, s *apitest.Server) map[string]any {
	var doc struct {
		Components struct {
			Schemas map[string]map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(s.Admin().Get("/openapi/v3/apis/apps/v1").Must(http.StatusOK).Body, &doc); err != nil {
		b.Fatal(err)
	}
	spec := structuralOf(doc.Components.Schemas, doc.Components.Schemas["io.k8s.api.apps.v1.DeploymentSpec"])
	spec["x-kubernetes-validations"] = []any{
		map[string]any{"rule": "!has(self.replicas) || self.replicas <= 1000", "message": "too many replicas"},
		map[string]any{"rule": "!has(self.paused) || !self.paused || has(self.minReadySeconds)"},
	}
	status := structuralOf(doc.Components.Schemas, doc.Components.Schemas["io.k8s.api.apps.v1.DeploymentStatus"])
	return map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "rollouts.bench.example.com"},
		"spec": map[string]any{
			"group": "bench.example.com", "scope": "Namespaced", "names": map[string]any{"plural": "rollouts", "kind": "Rollout"},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true, "subresources": map[string]any{"status": map[string]any{}},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "properties": map[string]any{"spec": spec, "status": status}}},
			}},
		},
	}
}

// structuralOf writes a built-in model as a definition's schema: references in
// place, without what only built-in models have.
func structuralOf(models map[string]map[string]any, model map[string]any) map[string]any {
	refs := []any{model}
	if all, ok := model["allOf"].([]any); ok {
		refs = all
	}
	for _, r := range refs {
		ref, _ := r.(map[string]any)["$ref"].(string)
		switch name := ref[strings.LastIndexByte(ref, '/')+1:]; {
		case ref == "":
		case strings.HasSuffix(name, ".IntOrString"), strings.HasSuffix(name, ".Quantity"):
			return map[string]any{"x-kubernetes-int-or-string": true}
		case strings.HasSuffix(name, ".ObjectMeta"):
			return map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
		default:
			return structuralOf(models, models[name])
		}
	}
	out := map[string]any{}
	for key, value := range model {
		switch key {
		case "type", "format", "enum", "required", "description", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type":
			out[key] = value
		case "default":
			if _, object := value.(map[string]any); !object && (value != "" || model["enum"] == nil) {
				out[key] = value
			}
		case "items", "additionalProperties":
			out[key] = structuralOf(models, value.(map[string]any))
		case "properties":
			properties := map[string]any{}
			for name, p := range maps.All(value.(map[string]any)) {
				properties[name] = structuralOf(models, p.(map[string]any))
			}
			out[key] = properties
		}
	}
	return out
}
