package e2e

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/yaml"
)

// watchable gives every version of every resource that can be listed and watched.
func watchable(t *testing.T, config *rest.Config) map[schema.GroupVersionKind]metav1.APIResource {
	t.Helper()
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	_, lists, err := d.ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	out := map[schema.GroupVersionKind]metav1.APIResource{}
	for _, l := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "watch"}}, lists) {
		gv, err := schema.ParseGroupVersion(l.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range l.APIResources {
			r.Group, r.Version = gv.Group, gv.Version
			out[gv.WithKind(r.Kind)] = r
		}
	}
	return out
}

func resourceOf(r metav1.APIResource) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Name}
}

// oneOfEach gives an object of every kind, for the namespace "kinds".
func oneOfEach(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile("testdata/kinds.yaml")
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "each"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	request := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	var out []*unstructured.Unstructured
	for _, doc := range strings.Split(strings.ReplaceAll(string(text), "REQUEST", request), "---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
			t.Fatalf("%v: %s", err, doc)
		}
		out = append(out, u)
	}
	return out
}

// follower notes, by informer and object, what was seen last: a label or the end.
type follower struct {
	mu   sync.Mutex
	seen map[string]string
}

func (f *follower) note(key, what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen[key] = what
}

func (f *follower) lacks(what string, keys []string) (missing []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range keys {
		if f.seen[k] != what {
			missing = append(missing, k)
		}
	}
	return missing
}

func (f *follower) follow(t *testing.T, kind string, gvr schema.GroupVersionResource, i cache.SharedIndexInformer) {
	t.Helper()
	note := func(obj any, what string) {
		if d, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = d.Obj
		}
		m, err := meta.Accessor(obj)
		if err != nil {
			return
		}
		if what == "" {
			what = "step " + m.GetLabels()["step"]
		}
		f.note(kind+" "+gvr.String()+" "+m.GetName(), what)
	}
	if _, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { note(obj, "") },
		UpdateFunc: func(_, obj any) { note(obj, "") },
		DeleteFunc: func(obj any) { note(obj, "gone") },
	}); err != nil {
		t.Fatal(err)
	}
}

// TestInformersOfEveryResourceFollow runs a dynamic, a metadata and a typed
// informer of every resource, and changes one object of each.
func TestInformersOfEveryResourceFollow(t *testing.T) {
	p := start(t, t.TempDir())
	config := p.config(t)
	all := watchable(t, config)
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	partial, err := metadata.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	typed, err := kubernetes.NewForConfig(protobuf(config))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	dynamics := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	partials := metadatainformer.NewSharedInformerFactory(partial, 0)
	typeds := informers.NewSharedInformerFactory(typed, 0)
	t.Cleanup(func() { cancel(); dynamics.Shutdown(); partials.Shutdown(); typeds.Shutdown() })

	f := &follower{seen: map[string]string{}}
	for gvk, r := range all {
		gvr := resourceOf(r)
		f.follow(t, "dynamic", gvr, dynamics.ForResource(gvr).Informer())
		f.follow(t, "metadata", gvr, partials.ForResource(gvr).Informer())
		if gvk.Group == "apiextensions.k8s.io" || gvk.Group == "apiregistration.k8s.io" {
			continue // client-go has no types of these
		}
		i, err := typeds.ForResource(gvr)
		if err != nil {
			t.Errorf("%v: %v", gvr, err)
			continue
		}
		f.follow(t, "typed", gvr, i.Informer())
	}
	dynamics.Start(ctx.Done())
	partials.Start(ctx.Done())
	typeds.Start(ctx.Done())
	synced, stop := context.WithTimeout(ctx, waitTimeout)
	defer stop()
	for _, got := range []map[schema.GroupVersionResource]bool{dynamics.WaitForCacheSync(synced.Done()), partials.WaitForCacheSync(synced.Done())} {
		for gvr, ok := range got {
			if !ok {
				t.Errorf("the informer of %v does not sync", gvr)
			}
		}
	}
	for kind, ok := range typeds.WaitForCacheSync(synced.Done()) {
		if !ok {
			t.Errorf("the typed informer of %v does not sync", kind)
		}
	}

	namespace := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "kinds"}}}
	if _, err := client.Resource(resourceOf(all[namespace.GroupVersionKind()])).Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the account of pods", func() bool {
		_, err := typed.CoreV1().ServiceAccounts("kinds").Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
	objects := oneOfEach(t)
	var keys []string
	for _, u := range objects {
		r, ok := all[u.GroupVersionKind()]
		if !ok {
			t.Fatalf("%v is not served", u.GroupVersionKind())
		}
		for _, kind := range []string{"dynamic", "metadata", "typed"} {
			if kind != "typed" || r.Group != "apiextensions.k8s.io" && r.Group != "apiregistration.k8s.io" {
				keys = append(keys, kind+" "+resourceOf(r).String()+" "+u.GetName())
			}
		}
	}
	used := map[schema.GroupVersionKind]bool{}
	each := func(what string, do func(c dynamic.ResourceInterface, u *unstructured.Unstructured) error) {
		t.Helper()
		for _, u := range objects {
			r := all[u.GroupVersionKind()]
			used[u.GroupVersionKind()] = true
			var c dynamic.ResourceInterface = client.Resource(resourceOf(r))
			if r.Namespaced {
				c = client.Resource(resourceOf(r)).Namespace("kinds")
			}
			if err := do(c, u); err != nil {
				t.Errorf("%s %v: %v", what, u.GroupVersionKind(), err)
			}
		}
	}
	arrives := func(what string) {
		t.Helper()
		deadline := time.Now().Add(waitTimeout)
		missing := f.lacks(what, keys)
		for ; len(missing) > 0 && time.Now().Before(deadline); missing = f.lacks(what, keys) {
			time.Sleep(20 * time.Millisecond)
		}
		if len(missing) > 0 {
			t.Fatalf("%q did not come: %s", what, strings.Join(missing, "\n"))
		}
	}
	each("create", func(c dynamic.ResourceInterface, u *unstructured.Unstructured) error {
		u.SetLabels(map[string]string{"step": "1"})
		_, err := c.Create(ctx, u, metav1.CreateOptions{FieldValidation: "Strict"})
		return err
	})
	arrives("step 1")
	each("update", func(c dynamic.ResourceInterface, u *unstructured.Unstructured) error {
		_, err := c.Patch(ctx, u.GetName(), types.MergePatchType, []byte(`{"metadata":{"labels":{"step":"2"}}}`), metav1.PatchOptions{})
		return err
	})
	arrives("step 2")
	each("delete", func(c dynamic.ResourceInterface, u *unstructured.Unstructured) error {
		return c.Delete(ctx, u.GetName(), metav1.DeleteOptions{})
	})
	arrives("gone")
	for gvk := range all {
		if !used[gvk] {
			t.Errorf("testdata/kinds.yaml lacks a %v", gvk)
		}
	}
}

func protobuf(c *rest.Config) *rest.Config {
	c = rest.CopyConfig(c)
	c.ContentType = runtime.ContentTypeProtobuf
	c.AcceptContentTypes = runtime.ContentTypeProtobuf
	return c
}

// TestTypedClientsSpeakProtobuf does without JSON.
func TestTypedClientsSpeakProtobuf(t *testing.T) {
	ctx := t.Context()
	c, err := kubernetes.NewForConfig(protobuf(start(t, t.TempDir()).config(t)))
	if err != nil {
		t.Fatal(err)
	}
	watching, err := c.AppsV1().Deployments("default").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watching.Stop()
	labels := map[string]string{"app": "a"}
	d, err := c.AppsV1().Deployments("default").Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: labels},
		Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "busybox"}}}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.Generation != 1 || *d.Spec.Replicas != 1 || d.Spec.Template.Spec.Containers[0].ImagePullPolicy != corev1.PullAlways {
		t.Errorf("created as %v", d)
	}
	next := func(want watch.EventType, generation int64) {
		t.Helper()
		e := <-watching.ResultChan()
		if got, ok := e.Object.(*appsv1.Deployment); !ok || e.Type != want || got.Generation != generation {
			t.Errorf("an event %v %v, want %v", e.Type, e.Object, want)
		}
	}
	next(watch.Added, 1)
	scale, err := c.AppsV1().Deployments("default").GetScale(ctx, "a", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	scale.Spec.Replicas = 3
	if _, err := c.AppsV1().Deployments("default").UpdateScale(ctx, "a", scale, metav1.UpdateOptions{}); err != nil {
		t.Error(err)
	}
	next(watch.Modified, 2)
	if _, err := c.AppsV1().Deployments("default").Update(ctx, d, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("an update of what has changed: %v", err)
	}
	d, err = c.AppsV1().Deployments("default").Patch(ctx, "a", types.StrategicMergePatchType, []byte(`{"spec":{"paused":true}}`), metav1.PatchOptions{})
	if err != nil || *d.Spec.Replicas != 3 || !d.Spec.Paused {
		t.Errorf("%v %v", d, err)
	}
	next(watch.Modified, 3)
	secret, err := c.CoreV1().Secrets("default").Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Data: map[string][]byte{"k": {0, 1, 255}}}, metav1.CreateOptions{})
	if err != nil || string(secret.Data["k"]) != "\x00\x01\xff" {
		t.Errorf("%v %v", secret, err)
	}
	list, err := c.AppsV1().Deployments("").List(ctx, metav1.ListOptions{LabelSelector: "app=a"})
	if err != nil || len(list.Items) != 1 || list.Items[0].Name != "a" || list.ResourceVersion == "" {
		t.Errorf("%v %v", list, err)
	}
	if err := c.AppsV1().Deployments("default").DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
	next(watch.Deleted, 3)
	if _, err := c.CoreV1().Pods("default").Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}}, metav1.CreateOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("a pod of nothing: %v", err)
	}
	if _, err := c.CoreV1().Pods("default").Get(ctx, "none", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a pod that is not there: %v", err)
	}
}

// counting counts requests of a list and of a watch that begins with a list.
type counting struct {
	http.RoundTripper
	lists, watchLists *atomic.Int32
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if q := r.URL.Query(); q.Get("watch") == "" {
		c.lists.Add(1)
	} else if q.Get("sendInitialEvents") == "true" {
		c.watchLists.Add(1)
	}
	return c.RoundTripper.RoundTrip(r)
}

// TestAWatchThatBeginsWithAList is client-go's WatchList: no list at all.
func TestAWatchThatBeginsWithAList(t *testing.T) {
	ctx := t.Context()
	p := start(t, t.TempDir())
	c := client(t, p)
	yes := true
	w, err := c.CoreV1().Namespaces().Watch(ctx, metav1.ListOptions{SendInitialEvents: &yes, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, AllowWatchBookmarks: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	names := map[string]bool{}
	for e := range w.ResultChan() {
		n := e.Object.(*corev1.Namespace)
		if e.Type == watch.Bookmark {
			if n.Annotations[metav1.InitialEventsAnnotationKey] != "true" || n.ResourceVersion == "" {
				t.Errorf("the bookmark is %v", n)
			}
			break
		}
		names[n.Name] = true
	}
	if !names["default"] || !names["kube-system"] || len(names) != 4 {
		t.Errorf("the initial events are %v", names)
	}

	config := p.config(t)
	lists, watchLists := &atomic.Int32{}, &atomic.Int32{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return counting{next, lists, watchLists} })
	counted, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	run, cancel := context.WithCancel(ctx)
	factory := informers.NewSharedInformerFactory(counted, 0)
	t.Cleanup(func() { cancel(); factory.Shutdown() })
	spaces := factory.Core().V1().Namespaces().Lister()
	factory.Core().V1().Namespaces().Informer()
	factory.Start(run.Done())
	factory.WaitForCacheSync(run.Done())
	if _, err := spaces.Get("default"); err != nil || lists.Load() != 0 || watchLists.Load() != 1 {
		t.Errorf("%v, %d lists and %d watches with a list", err, lists.Load(), watchLists.Load())
	}
}

// TestLeaderElection hands a lease from one candidate to the next.
func TestLeaderElection(t *testing.T) {
	p := start(t, t.TempDir())
	leads := make(chan string, 2)
	candidate := func(name string, retry time.Duration) (resign func()) {
		ctx, cancel := context.WithCancel(t.Context())
		lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, "kube-system", "e2e", resourcelock.ResourceLockConfig{Identity: name}, p.config(t), waitTimeout)
		if err != nil {
			t.Fatal(err)
		}
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: lock, Name: name, LeaseDuration: 2 * waitTimeout, RenewDeadline: waitTimeout, RetryPeriod: retry, ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { leads <- name }, OnStoppedLeading: func() {}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { defer close(ended); elector.Run(ctx) }()
		resign = func() { cancel(); <-ended }
		t.Cleanup(resign)
		return resign
	}
	expect := func(name string) {
		t.Helper()
		select {
		case got := <-leads:
			if got != name {
				t.Fatalf("%s leads", got)
			}
		case <-time.After(waitTimeout):
			t.Fatalf("%s does not lead", name)
		}
	}
	// A resignation breaks off the renewal that is on its way. The server may do it
	// all the same, after which the release is a conflict, and the lease is the old
	// leader's until it ends. So the first one resigns between two renewals.
	resign := candidate("first", waitTimeout/2)
	expect("first")
	candidate("second", 200*time.Millisecond)
	eventually(t, "the first renewal, which comes at once", func() bool {
		lease, err := client(t, p).CoordinationV1().Leases("kube-system").Get(t.Context(), "e2e", metav1.GetOptions{})
		if err != nil || *lease.Spec.HolderIdentity != "first" {
			t.Fatalf("%v %v", lease, err)
		}
		return lease.Spec.RenewTime.After(lease.Spec.AcquireTime.Time)
	})
	resign()
	expect("second")
}
