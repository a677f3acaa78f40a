package pages

import (
	"strings"
	"testing"

	"pilothouse/backend/audit"

	"k8s.io/apimachinery/pkg/runtime"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// What is secret is on no page, in whatever form the audit event has it.
func TestBodiesOfAuditEventsHideSecrets(t *testing.T) {
	f := func(resource, sub, raw string, shown ...string) {
		t.Helper()
		e := &audit.Entry{Event: auditv1.Event{
			ObjectRef:      &auditv1.ObjectReference{Resource: resource, Subresource: sub},
			ResponseObject: &runtime.Unknown{Raw: []byte(raw)},
		}}
		text := ""
		for _, b := range auditBodies(e, wholeBody) {
			for _, l := range b.Lines {
				for _, p := range l.Parts {
					text += p.Text
				}
				text += "\n"
			}
		}
		if strings.Contains(text, "hush") {
			t.Errorf("a secret is shown:\n%s", text)
		}
		for _, want := range shown {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
	}
	const applied = `"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"p\":\"hush\"}}","other":"seen"}`
	f("secrets", "", `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s",`+applied+`},"data":{"p":"hush"},"stringData":{"q":"hush"},"type":"Opaque"}`,
		"name: s", "p: (hidden)", "q: (hidden)", "type: Opaque", "other: seen")
	f("secrets", "", `{"kind":"SecretList","apiVersion":"v1","items":[{"metadata":{"name":"s"},"data":{"p":"hush"}}]}`, "p: (hidden)")
	f("secrets", "", `{"kind":"Table","rows":[{"cells":["s"],"object":{"metadata":{`+applied+`}}}]}`, "other: seen")
	f("secrets", "", `{"data":{"p":"hush"}}`, "p: (hidden)")
	f("secrets", "", `[{"op":"replace","path":"/data/p","value":"hush"},{"op":"add","path":"/data","value":{"q":"hush"}}]`, "/data/p", "q: (hidden)")
	f("secrets", "", `{"data":"hush"}`, "data: (hidden)")
	f("serviceaccounts", "token", `{"kind":"TokenRequest","status":{"token":"hush","expirationTimestamp":"t"}}`, "token: (hidden)", "expirationTimestamp: t")
	f("tokenreviews", "", `{"kind":"TokenReview","spec":{"token":"hush"}}`, "token: (hidden)")
	f("things", "", `{"kind":"List","items":[{"kind":"Secret","apiVersion":"v1","data":{"p":"hush"}}]}`, "p: (hidden)")
	f("configmaps", "", `{"kind":"ConfigMap","metadata":{"managedFields":[{"manager":"hush"}]},"data":{"p":"seen"}}`, "p: seen")
	f("configmaps", "", `no JSON: hush`)
}

func TestLongBodiesAreCutAtALine(t *testing.T) {
	e := &audit.Entry{Event: auditv1.Event{RequestObject: &runtime.Unknown{Raw: []byte(`{"a":"` + strings.Repeat("x", 50) + `","b":"` + strings.Repeat("y", 50) + `"}`)}}}
	bodies := auditBodies(e, 60)
	if len(bodies) != 1 || !bodies[0].Cut || len(bodies[0].Lines) != 1 {
		t.Errorf("%+v", bodies)
	}
	if bodies, room := listedAuditBodies(e, 0); len(bodies) != 1 || !bodies[0].Cut || len(bodies[0].Lines) != 0 || room != 0 {
		t.Errorf("%+v %d", bodies, room)
	}
}
