package apitest_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/config"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// TestClientGoOverHTTP2: a client's informers and writes share one connection
// when HTTP/2 is offered, and end with the server.
func TestClientGoOverHTTP2(t *testing.T) {
	s := apitest.Start(t, apitest.Options{Change: func(o *config.Options) { o.Serving.NoHTTP2 = false }})
	c, err := clientcmd.BuildConfigFromFlags("", s.KubeconfigPath())
	if err != nil {
		t.Fatal(err)
	}
	var others atomic.Int64
	c.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(q *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(q)
			if err == nil && resp.ProtoMajor != 2 {
				others.Add(1)
			}
			return resp, err
		})
	})
	client, err := kubernetes.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	factory := informers.NewSharedInformerFactory(client, 0)
	seen := make(chan string, 100)
	maps := factory.Core().V1().ConfigMaps().Informer()
	maps.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(o any) { seen <- o.(*corev1.ConfigMap).Name }})
	factory.Core().V1().Secrets().Informer()
	factory.Apps().V1().Deployments().Informer()
	factory.Start(ctx.Done())
	for of, fine := range factory.WaitForCacheSync(ctx.Done()) {
		if !fine {
			t.Fatalf("%v is not in sync", of)
		}
	}
	if _, err := client.CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "over-http2"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name := ""; name != "over-http2"; {
		select {
		case name = <-seen:
		case <-ctx.Done():
			t.Fatal("the informer has not seen it")
		}
	}
	if n := others.Load(); n > 0 {
		t.Errorf("%d answers were not in HTTP/2", n)
	}
}

type roundTripper func(q *http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }
