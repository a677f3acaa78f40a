package apitest_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/config"

	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// codeOf asks for something again and again.
func codeOf(c *apitest.Caller, path string) func() string {
	return func() string { return strconv.Itoa(c.Get(path).Code) }
}

func TestFinishedJobsGo(t *testing.T) {
	t.Parallel()
	c := apitest.Start(t).Admin()
	const jobs = "/apis/batch/v1/namespaces/default/jobs"
	job := func(name, ttl string) {
		c.Post(jobs, `{"metadata":{"name":"`+name+`"},"spec":{`+ttl+`"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}`).Must(201)
		now := time.Now().UTC().Format(time.RFC3339)
		c.Patch(jobs+"/"+name+"/status", `{"status":{"startTime":"`+now+`","completionTime":"`+now+`","succeeded":1,"conditions":[
			{"type":"SuccessCriteriaMet","status":"True","lastTransitionTime":"`+now+`"},
			{"type":"Complete","status":"True","lastTransitionTime":"`+now+`"}]}}`).Must(200)
	}
	job("kept", "")
	job("later", `"ttlSecondsAfterFinished":3600,`)
	job("gone", `"ttlSecondsAfterFinished":1,`)
	awaits(t, "404", codeOf(c, jobs+"/gone"))
	c.Get(jobs + "/kept").Must(200)
	c.Get(jobs + "/later").Must(200)
}

func TestTheTrackingOfTokensIsKept(t *testing.T) {
	t.Parallel()
	c := apitest.Start(t).Admin()
	const path = "/api/v1/namespaces/kube-system/configmaps/kube-apiserver-legacy-service-account-token-tracking"
	today := func() string {
		since, _, _ := unstructured.NestedString(c.Get(path).Object().Object, "data", "since") //nolint:errcheck // empty then
		if day, err := time.Parse(time.DateOnly, since); err != nil || time.Since(day) > 48*time.Hour {
			return "since " + since
		}
		return "today"
	}
	awaits(t, "today", today)
	c.Patch(path, `{"data":{"since":"yesterday"}}`).Must(200)
	awaits(t, "today", today)
	c.Delete(path).Must(200)
	awaits(t, "200", codeOf(c, path))
}

func TestVolumesAndClaimsInUseStay(t *testing.T) {
	t.Parallel()
	c := apitest.Start(t).Admin()
	const (
		claims  = "/api/v1/namespaces/default/persistentvolumeclaims"
		volumes = "/api/v1/persistentvolumes"
	)
	for _, name := range []string{"used", "free", "unscheduled"} {
		c.Post(claims, `{"metadata":{"name":"`+name+`"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`).Must(201)
	}
	pod := func(name, claim, node string) {
		c.Post(pods, `{"metadata":{"name":"`+name+`"},"spec":{`+node+`"containers":[{"name":"c","image":"i"}],"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"`+claim+`"}}]}}`).Must(201)
	}
	pod("a", "used", `"nodeName":"n",`)
	pod("b", "unscheduled", "")
	for _, name := range []string{"bound", "loose"} {
		c.Post(volumes, `{"metadata":{"name":"`+name+`"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/data"}}}`).Must(201)
	}
	c.Patch(volumes+"/bound/status", `{"status":{"phase":"Bound"}}`).Must(200)
	for _, path := range []string{claims + "/used", claims + "/free", claims + "/unscheduled", volumes + "/bound", volumes + "/loose"} {
		began := time.Now()
		c.Delete(path).Must(200)
		a := c.Get(path)
		if soon := time.Since(began) < 4*time.Second; soon || path == claims+"/used" || path == volumes+"/bound" { // what nobody uses stays 5 s
			a.Must(200)
		}
	}
	awaits(t, "404", codeOf(c, claims+"/free"))
	awaits(t, "404", codeOf(c, claims+"/unscheduled"))
	awaits(t, "404", codeOf(c, volumes+"/loose"))
	c.Get(claims + "/used").Must(200)
	c.Get(volumes + "/bound").Must(200)

	c.Do("DELETE", pods+"/a", `{"gracePeriodSeconds":0}`).Must(200)
	c.Patch(volumes+"/bound/status", `{"status":{"phase":"Released"}}`).Must(200)
	awaits(t, "404", codeOf(c, claims+"/used"))
	awaits(t, "404", codeOf(c, volumes+"/bound"))
}

// With a node that is alive it is as with kube-controller-manager: what nobody
// uses goes at once, and a finalizer that was taken away comes back.
func TestClaimsAreReleasedAtOnce(t *testing.T) {
	t.Parallel()
	c := apitest.Start(t).Admin()
	const claims = "/api/v1/namespaces/default/persistentvolumeclaims"
	alive(c, "n")
	c.Post(claims, `{"metadata":{"name":"a"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`).Must(201)
	var touched time.Time
	finalizers := func() string {
		if time.Since(touched) > time.Second { // the loop's update would meet a newer claim each time
			touched = time.Now()
			c.Patch(claims+"/a", `{"metadata":{"labels":{"touched":"`+touched.Format("150405.000000000")+`"}}}`).Must(200)
		}
		return strings.Join(c.Get(claims+"/a").Must(200).Object().GetFinalizers(), " ")
	}
	c.Patch(claims+"/a", `{"metadata":{"finalizers":null}}`).Must(200)
	awaits(t, "kubernetes.io/pvc-protection", finalizers)
	c.Post(pods, `{"metadata":{"name":"p"},"spec":{"nodeName":"n","containers":[{"name":"c","image":"i"}],"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"a"}}]}}`).Must(201)
	c.Delete(claims + "/a").Must(200)
	c.Get(claims + "/a").Must(200)
	gone := c.Watch(claims + "?fieldSelector=metadata.name%3Da")
	c.Do("DELETE", pods+"/p", `{"gracePeriodSeconds":0}`).Must(200)
	for start := time.Now(); gone.Next().Type != "DELETED"; {
		if time.Since(start) > time.Minute {
			t.Fatal("it stays")
		}
	}
}

// alive makes a node that says that it is alive.
func alive(c *apitest.Caller, name string) {
	c.Post("/api/v1/nodes", `{"metadata":{"name":"`+name+`"}}`).Must(201)
	c.Post("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", `{"metadata":{"name":"`+name+`"},"spec":{"holderIdentity":"`+name+`",
		"leaseDurationSeconds":40,"renewTime":"`+time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")+`"}}`).Must(201)
}

func TestEndpointsAreMirrored(t *testing.T) {
	t.Parallel()
	c := apitest.Start(t).Admin()
	const (
		services  = "/api/v1/namespaces/default/services"
		endpoints = "/api/v1/namespaces/default/endpoints"
		slices    = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3Dmine"
	)
	read := func() []discoveryv1.EndpointSlice {
		var list discoveryv1.EndpointSliceList
		c.Get(slices).Must(200).Into(&list)
		return list.Items
	}
	addresses := func() string {
		out := ""
		for _, s := range read() {
			for _, e := range s.Endpoints {
				out += e.Addresses[0] + " " + strconv.FormatBool(*e.Conditions.Ready) + " "
			}
		}
		return out
	}
	c.Post(services, `{"metadata":{"name":"mine"},"spec":{"ports":[{"port":80}]}}`).Must(201)
	c.Post(services, `{"metadata":{"name":"selecting"},"spec":{"selector":{"a":"b"},"ports":[{"port":80}]}}`).Must(201)
	c.Post(endpoints, `{"metadata":{"name":"selecting"},"subsets":[{"addresses":[{"ip":"10.1.1.9"}],"ports":[{"port":80}]}]}`).Must(201)
	c.Post(endpoints, `{"metadata":{"name":"mine","labels":{"l":"v"},"annotations":{"a":"v"}},"subsets":[
		{"addresses":[{"ip":"10.1.1.1","hostname":"h"}],"notReadyAddresses":[{"ip":"10.1.1.2"}],"ports":[{"name":"http","port":8080}]}]}`).Must(201)
	awaits(t, "10.1.1.1 true 10.1.1.2 false ", addresses)
	s := read()[0]
	if s.Labels["l"] != "v" || s.Labels["endpointslice.kubernetes.io/managed-by"] != "endpointslicemirroring-controller.k8s.io" || s.Annotations["a"] != "v" {
		t.Error(s.Labels, s.Annotations)
	}
	if s.GenerateName != "mine-" || len(s.OwnerReferences) != 1 || s.OwnerReferences[0].Kind != "Endpoints" || *s.Ports[0].Port != 8080 || *s.Endpoints[0].Hostname != "h" {
		t.Error(s)
	}
	c.Patch(endpoints+"/mine", `{"subsets":[{"addresses":[{"ip":"10.1.1.3"}],"ports":[{"name":"http","port":8080}]}]}`).Must(200)
	awaits(t, "10.1.1.3 true ", addresses)
	if next := read(); len(next) != 1 || next[0].Name != s.Name {
		t.Error("another slice was made")
	}
	// Other ports are written into the slice that is there.
	c.Patch(endpoints+"/mine", `{"subsets":[{"addresses":[{"ip":"10.1.1.3"}],"ports":[{"name":"http","port":9090}]}]}`).Must(200)
	awaits(t, s.Name+" 9090", func() string {
		if all := read(); len(all) == 1 && len(all[0].Ports) == 1 {
			return all[0].Name + " " + strconv.Itoa(int(*all[0].Ports[0].Port))
		}
		return ""
	})
	c.Patch(services+"/mine", `{"spec":{"selector":{"a":"b"}}}`).Must(200)
	awaits(t, "", addresses)
	var all discoveryv1.EndpointSliceList
	c.Get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3Dselecting").Must(200).Into(&all)
	if len(all.Items) != 0 {
		t.Error("endpoints of a service with a selector were mirrored")
	}
}

func TestEventsExpire(t *testing.T) {
	t.Parallel()
	const ttl = 3 * time.Second
	c := apitest.Start(t, apitest.Options{Change: func(o *config.Options) { o.Features.EventTTL = ttl }}).Admin()
	const events = "/api/v1/namespaces/default/events"
	w := c.Watch(events + "?watch=true&fieldSelector=metadata.name%3Dshort")
	for _, name := range []string{"short", "touched"} {
		c.Post(events, `{"metadata":{"name":"`+name+`","finalizers":["a.example.com/f"]},"involvedObject":{"namespace":"default"},"reason":"R"}`).Must(201)
	}
	if e := w.Next(); e.Type != "ADDED" {
		t.Fatal(e)
	}
	// One of them is written until the other is gone.
	done, stopped := make(chan struct{}), make(chan struct{})
	written, late := time.Now(), false // late: it was not written in time, and may have gone, too
	go func() {
		defer close(stopped)
		for i := 2; ; i++ {
			code := c.TryPatch(events+"/touched", `{"count":`+strconv.Itoa(i)+`}`)
			if late = late || time.Since(written) > ttl/2; code != 200 && !late {
				t.Errorf("an event that was written cannot be written again: %d", code)
			}
			written = time.Now()
			select {
			case <-done:
				return
			case <-time.After(ttl / 20):
			}
		}
	}()
	e := w.Next()
	close(done)
	<-stopped
	if e.Type != "DELETED" {
		t.Fatal(e)
	}
	if code := c.Get(events + "/touched").Code; code != 200 && !late && time.Since(written) < ttl/2 {
		t.Errorf("an event that was written is gone: %d", code)
	}
	awaits(t, "404", codeOf(c, events+"/touched"))
}

// TestRolesAreGathered watches the roles that the start brings without rules.
func TestRolesAreGathered(t *testing.T) {
	t.Parallel()
	c := apitest.Start(t).Admin()
	const roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
	gathered := func(role, resource string) func() string {
		return func() string {
			var r rbacv1.ClusterRole
			c.Get(roles + "/" + role).Must(200).Into(&r)
			return strconv.FormatBool(slices.ContainsFunc(r.Rules, func(rule rbacv1.PolicyRule) bool {
				return slices.Contains(rule.Resources, resource)
			}))
		}
	}
	for _, role := range []string{"view", "edit", "admin"} {
		awaits(t, "true", gathered(role, "configmaps"))
	}
	c.Post(roles, `{"metadata":{"name":"shelves","labels":{"rbac.authorization.k8s.io/aggregate-to-edit":"true"}},
		"rules":[{"apiGroups":["store.example"],"resources":["shelves"],"verbs":["*"]}]}`).Must(201)
	awaits(t, "true", gathered("edit", "shelves"))
	awaits(t, "true", gathered("admin", "shelves"))
	if got := gathered("view", "shelves")(); got != "false" {
		t.Error("view has what edit gathers")
	}
	c.Do("DELETE", roles+"/shelves", nil).Must(200)
	awaits(t, "false", gathered("admin", "shelves"))
}
