package apitest_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/config"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
)

const (
	endpoints = "/api/v1/namespaces/default/endpoints"
	services  = "/api/v1/namespaces/default/services"
	slicesOf  = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D"
)

// working starts a server whose loops of workloads do not wait for a node.
func working(t *testing.T, loops ...string) *apitest.Caller {
	t.Helper()
	return apitest.Start(t, apitest.Options{Change: func(o *config.Options) {
		o.Features.Controllers = append([]string{"*"}, loops...)
	}}).Admin()
}

// webPod is a pod of the app web with an address, ready or not.
func webPod(c *apitest.Caller, name, spec, ip, ready string) {
	c.Post(pods, `{"metadata":{"name":"`+name+`","labels":{"app":"web"}},"spec":{`+spec+`"containers":[{"name":"c","image":"i","ports":[{"name":"http","containerPort":8080}]}]}}`).Must(201)
	webPodStatus(c, name, ip, ready)
}

func webPodStatus(c *apitest.Caller, name, ip, ready string) {
	at := time.Unix(1700000000+changes.Add(1), 0) // every change has a second of its own
	c.Patch(pods+"/"+name+"/status", `{"status":{"phase":"Running","podIP":"`+ip+`","podIPs":[{"ip":"`+ip+`"}],
		"conditions":[{"type":"Ready","status":"`+ready+`","lastTransitionTime":"`+at.UTC().Format(time.RFC3339)+`"}]}}`).Must(200)
}

var changes atomic.Int64

// describeSlices says what the slices of a Service hold.
func describeSlices(c *apitest.Caller, service string) string {
	var list discoveryv1.EndpointSliceList
	c.Get(slicesOf + service).Must(200).Into(&list)
	var out []string
	for _, s := range list.Items {
		line := string(s.AddressType)
		for _, p := range s.Ports {
			line += fmt.Sprintf(" %s=%d", *p.Name, *p.Port)
		}
		var each []string
		for _, e := range s.Endpoints {
			k := e.Conditions
			each = append(each, fmt.Sprintf(" %s %s ready=%t serving=%t terminating=%t", e.TargetRef.Name, e.Addresses[0], *k.Ready, *k.Serving, *k.Terminating))
		}
		slices.Sort(each)
		out = append(out, line+":"+strings.Join(each, ","))
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

// describeEndpoints says what the Endpoints of a Service hold.
func describeEndpoints(c *apitest.Caller, service string) string {
	answer := c.Get(endpoints + "/" + service)
	if answer.Code != 200 {
		return fmt.Sprint(answer.Code)
	}
	var e corev1.Endpoints
	answer.Into(&e)
	out := ""
	for _, s := range e.Subsets {
		for _, p := range s.Ports {
			out += fmt.Sprintf("%s=%d", p.Name, p.Port)
		}
		for _, a := range s.Addresses {
			out += " " + a.IP + "+"
		}
		for _, a := range s.NotReadyAddresses {
			out += " " + a.IP + "-"
		}
	}
	return out
}

func TestEndpointsOfServicesThatSelect(t *testing.T) {
	t.Parallel()
	c := working(t, "endpoints-controller", "endpointslice-controller")
	slice := func() string { return describeSlices(c, "web") }
	subsets := func() string { return describeEndpoints(c, "web") }
	c.Post(services, `{"metadata":{"name":"web","labels":{"l":"v"}},"spec":{"selector":{"app":"web"},"ports":[{"name":"p","port":80,"targetPort":"http","appProtocol":"h2"}]}}`).Must(201)
	awaits(t, "IPv4:", slice)
	awaits(t, "", subsets)

	webPod(c, "a", "", "10.1.1.1", "True")
	webPod(c, "b", "", "10.1.1.2", "False")
	awaits(t, "IPv4 p=8080: a 10.1.1.1 ready=true serving=true terminating=false, b 10.1.1.2 ready=false serving=false terminating=false", slice)
	awaits(t, "p=8080 10.1.1.1+ 10.1.1.2-", subsets)

	webPodStatus(c, "b", "10.1.1.2", "True")
	awaits(t, "p=8080 10.1.1.1+ 10.1.1.2+", subsets)
	var list discoveryv1.EndpointSliceList
	c.Get(slicesOf + "web").Must(200).Into(&list)
	s := list.Items[0]
	if s.GenerateName != "web-" || s.Labels["l"] != "v" || s.Labels[discoveryv1.LabelManagedBy] != "endpointslice-controller.k8s.io" ||
		len(s.OwnerReferences) != 1 || s.OwnerReferences[0].Kind != "Service" || s.OwnerReferences[0].Name != "web" || ptr.Deref(s.Ports[0].AppProtocol, "") != "h2" {
		t.Errorf("%+v", s)
	}
	if s.Annotations[corev1.EndpointsLastChangeTriggerTime] == "" {
		t.Error("nobody says since when it is like that")
	}

	// One that is on its way out is served last, one that is over not at all.
	c.Patch(pods+"/a", `{"metadata":{"finalizers":["example.com/f"]}}`).Must(200)
	c.Do("DELETE", pods+"/a", `{"gracePeriodSeconds":0}`).Must(200)
	awaits(t, "IPv4 p=8080: a 10.1.1.1 ready=false serving=true terminating=true, b 10.1.1.2 ready=true serving=true terminating=false", slice)
	awaits(t, "p=8080 10.1.1.2+", subsets)
	c.Patch(pods+"/a", `{"metadata":{"finalizers":null}}`).Must(200)
	c.Patch(pods+"/b/status", `{"status":{"phase":"Failed"}}`).Must(200)
	awaits(t, "IPv4:", slice)
	awaits(t, "", subsets)

	// What somebody else does to them does not last, and they go with the Service.
	c.Delete(endpoints + "/web").Must(200)
	awaits(t, "", subsets)
	c.Delete(services + "/web").Must(200)
	awaits(t, "", slice)
	awaits(t, "404", subsets)
}

func TestEndpointsOfHeadlessServices(t *testing.T) {
	t.Parallel()
	c := working(t, "endpoints-controller", "endpointslice-controller")
	c.Post("/api/v1/nodes", `{"metadata":{"name":"n","labels":{"topology.kubernetes.io/zone":"z"}}}`).Must(201)
	c.Post(services, `{"metadata":{"name":"db"},"spec":{"clusterIP":"None","selector":{"app":"web"},"publishNotReadyAddresses":true,"trafficDistribution":"PreferSameNode"}}`).Must(201)
	webPod(c, "db-0", `"hostname":"db-0","subdomain":"db","nodeName":"n",`, "10.1.1.1", "False")
	awaits(t, "IPv4: db-0 10.1.1.1 ready=true serving=false terminating=false", func() string { return describeSlices(c, "db") })
	awaits(t, " 10.1.1.1+", func() string { return describeEndpoints(c, "db") })
	var list discoveryv1.EndpointSliceList
	c.Get(slicesOf + "db").Must(200).Into(&list)
	e := list.Items[0].Endpoints[0]
	if _, marked := list.Items[0].Labels[corev1.IsHeadlessService]; !marked || ptr.Deref(e.Hostname, "") != "db-0" || ptr.Deref(e.Zone, "") != "z" || ptr.Deref(e.NodeName, "") != "n" ||
		e.Hints == nil || len(e.Hints.ForNodes) != 1 || e.Hints.ForNodes[0].Name != "n" || len(e.Hints.ForZones) != 1 {
		t.Errorf("%+v", list.Items[0])
	}
	var made corev1.Endpoints
	c.Get(endpoints + "/db").Must(200).Into(&made)
	if made.Subsets[0].Addresses[0].Hostname != "db-0" {
		t.Errorf("%+v", made)
	}

	// Without ports too, a change leaves the slice the one that it was.
	webPodStatus(c, "db-0", "10.1.1.1", "True")
	awaits(t, "IPv4: db-0 10.1.1.1 ready=true serving=true terminating=false", func() string { return describeSlices(c, "db") })
	var after discoveryv1.EndpointSliceList
	c.Get(slicesOf + "db").Must(200).Into(&after)
	if len(after.Items) != 1 || after.Items[0].UID != list.Items[0].UID {
		t.Errorf("another slice: %+v", after.Items)
	}
}

// A slice whose ports change is written anew, like kube-controller-manager's: it
// does not go before another one comes, and nobody sees a Service without it.
func TestSlicesStayWhenPortsChange(t *testing.T) {
	t.Parallel()
	c := working(t, "endpointslice-controller")
	uids := map[string]bool{}
	becomes := func(want string) {
		t.Helper()
		awaits(t, want, func() string { return describeSlices(c, "web") })
		var list discoveryv1.EndpointSliceList
		c.Get(slicesOf + "web").Must(200).Into(&list)
		for i := range list.Items {
			uids[string(list.Items[i].UID)] = true
		}
	}
	c.Post(services, `{"metadata":{"name":"web"},"spec":{"selector":{"app":"web"},"ports":[{"name":"p","port":80,"targetPort":8080}]}}`).Must(201)
	becomes("IPv4:")
	webPod(c, "a", "", "10.1.1.1", "True")
	becomes("IPv4 p=8080: a 10.1.1.1 ready=true serving=true terminating=false")
	c.Patch(services+"/web", `{"spec":{"ports":[{"name":"p","port":80,"targetPort":9090}]}}`).Must(200)
	becomes("IPv4 p=9090: a 10.1.1.1 ready=true serving=true terminating=false")
	c.Do("DELETE", pods+"/a", `{"gracePeriodSeconds":0}`).Must(200)
	becomes("IPv4:")
	if len(uids) != 1 {
		t.Errorf("%d slices, one after the other", len(uids))
	}
}

// Slices hold 100 endpoints; one more is a slice more, and a change of one
// endpoint leaves the others where they are.
func TestEndpointsInSlices(t *testing.T) {
	t.Parallel()
	c := working(t, "endpointslice-controller")
	for i := range 101 {
		webPod(c, fmt.Sprintf("p%03d", i), "", fmt.Sprintf("10.1.2.%d", i+1), "True")
	}
	c.Post(services, `{"metadata":{"name":"web"},"spec":{"selector":{"app":"web"},"ports":[{"port":80,"targetPort":8080}]}}`).Must(201)
	sizes := func() string {
		var list discoveryv1.EndpointSliceList
		c.Get(slicesOf + "web").Must(200).Into(&list)
		var out []string
		for _, s := range list.Items {
			out = append(out, fmt.Sprint(len(s.Endpoints)))
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	awaits(t, "1 100", sizes)
	for i := range 3 {
		c.Do("DELETE", fmt.Sprintf("%s/p%03d", pods, i), `{"gracePeriodSeconds":0}`).Must(200)
	}
	awaits(t, "1 97", sizes)
	webPod(c, "new", "", "10.1.3.1", "True")
	awaits(t, "1 98", sizes)
}

// Without a node that is alive the loops of workloads wait: nothing would run.
func TestLoopsOfWorkloadsWaitForANode(t *testing.T) {
	t.Parallel()
	c := apitest.Start(t).Admin()
	c.Post(services, `{"metadata":{"name":"web"},"spec":{"selector":{"app":"web"},"ports":[{"port":80}]}}`).Must(201)
	c.Post("/api/v1/nodes", `{"metadata":{"name":"n"}}`).Must(201)
	const leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
	c.Post(leases, `{"metadata":{"name":"n"},"spec":{"holderIdentity":"n","leaseDurationSeconds":40,"renewTime":"2024-01-01T00:00:00.000000Z"}}`).Must(201)
	c.Get(endpoints + "/web").Must(404)
	c.Patch(leases+"/n", `{"spec":{"renewTime":"`+time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")+`"}}`).Must(200)
	awaits(t, "", func() string { return describeEndpoints(c, "web") })
}
