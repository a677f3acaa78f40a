package apitest_test

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"pilothouse/backend/apitest"
	"pilothouse/backend/config"
)

// TestRequestsTakeTurns gives a user one seat by objects of the API, holds it
// with a webhook that does not answer, and sees the user's next request refused
// while others' go on.
func TestRequestsTakeTurns(t *testing.T) {
	s := apitest.Start(t, apitest.Options{
		Users:  []apitest.User{{Name: "dev", Groups: []string{"devs"}}},
		Change: func(o *config.Options) { o.Limits.MaxInFlight, o.Limits.MaxMutatingInFlight = 20, 10 },
	})
	c, dev := s.Admin(), s.As("dev")
	const flows, rbac = "/apis/flowcontrol.apiserver.k8s.io/v1/", "/apis/rbac.authorization.k8s.io/v1/"
	c.Post(rbac+"clusterroles", `{"metadata":{"name":"devs"},"rules":[{"verbs":["*"],"apiGroups":[""],"resources":["configmaps"]}]}`).Must(201)
	c.Post(rbac+"clusterrolebindings", `{"metadata":{"name":"devs"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"devs"},
		"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"Group","name":"devs"}]}`).Must(201)
	level := c.Post(flows+"prioritylevelconfigurations", `{"metadata":{"name":"tiny"},"spec":{"type":"Limited","limited":{"nominalConcurrencyShares":1,"limitResponse":{"type":"Reject"}}}}`).Must(201).Object()
	schema := c.Post(flows+"flowschemas", `{"metadata":{"name":"devs"},"spec":{"matchingPrecedence":50,"priorityLevelConfiguration":{"name":"tiny"},
		"rules":[{"subjects":[{"kind":"Group","group":{"name":"devs"}}],
		"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"namespaces":["*"]}]}]}}`).Must(201).Object()

	arrived, release := make(chan struct{}), make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	hook := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		http.Error(w, "no", http.StatusTeapot)
	}))
	defer hook.Close()
	defer letGo()
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hook.Certificate().Raw}))
	c.Post("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", fmt.Sprintf(`{"metadata":{"name":"slow"},"webhooks":[{"name":"slow.example.com",
		"admissionReviewVersions":["v1"],"sideEffects":"None","failurePolicy":"Ignore","timeoutSeconds":30,"clientConfig":{"url":%q,"caBundle":%q},
		"objectSelector":{"matchLabels":{"held":"yes"}},
		"rules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"]}]}]}`, hook.URL, ca)).Must(201)

	const configMaps = "/api/v1/namespaces/default/configmaps"
	held := make(chan *apitest.Answer, 1)
	for i, holds := 0, false; !holds; i++ { // until the webhook is known
		go func() {
			held <- dev.Post(configMaps, fmt.Sprintf(`{"metadata":{"name":"held-%d","labels":{"held":"yes"}}}`, i))
		}()
		select {
		case <-arrived:
			holds = true
		case a := <-held:
			a.Must(201)
		}
	}
	refused := dev.Get(configMaps).Must(429)
	if got := refused.Header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After: %q", got)
	}
	if got := refused.Status(); got.Reason != "TooManyRequests" {
		t.Errorf("%+v", got)
	}
	named := func(a *apitest.Answer, flowSchema, priorityLevel string) {
		t.Helper()
		if a.Header.Get("X-Kubernetes-PF-FlowSchema-UID") != flowSchema || a.Header.Get("X-Kubernetes-PF-PriorityLevel-UID") != priorityLevel {
			t.Errorf("the answer names %v", a.Header)
		}
	}
	named(refused, string(schema.GetUID()), string(level.GetUID()))
	exempt := c.Get(flows + "flowschemas/exempt").Must(200).Object()
	lowest := c.Get(flows + "prioritylevelconfigurations/exempt").Must(200).Object()
	named(c.Get(configMaps).Must(200), string(exempt.GetUID()), string(lowest.GetUID()))
	letGo()
	if a := <-held; a.Code != 201 {
		t.Errorf("the request that was held got %d", a.Code)
	}
	named(dev.Get(configMaps).Must(200), string(schema.GetUID()), string(level.GetUID()))
	for _, dump := range []string{"dump_priority_levels", "dump_queues", "dump_requests"} {
		c.Get("/debug/api_priority_and_fairness/" + dump).Must(200)
		dev.Get("/debug/api_priority_and_fairness/" + dump).Must(403)
	}
}
