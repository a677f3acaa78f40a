package client

import (
	"context"
	"fmt"
	"testing"

	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

func TestPathsAndQueries(t *testing.T) {
	f := func(gvr schema.GroupVersionResource, namespace, name, sub, want string) {
		t.Helper()
		if got := Path(gvr, namespace, name, sub); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(pods, "n", "p", "status", "/api/v1/namespaces/n/pods/p/status")
	f(pods, "", "", "", "/api/v1/pods")
	f(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, "n", "", "", "/apis/apps/v1/namespaces/n/deployments")
}

func TestWritesCarryKindAndIdentity(t *testing.T) {
	var got *request.Request
	c := New(func(_ context.Context, r *request.Request) (*request.Response, error) {
		got = r
		return &request.Response{Status: 201, Body: []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","uid":"u"}}`)}, nil
	}, &request.User{Name: "loop"}, "loop/1")
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Labels: map[string]string{"a": "b"}}}
	if err := c.Create(context.Background(), pods, "n", pod); err != nil {
		t.Fatal(err)
	}
	if got.User.Name != "loop" || got.Header.Get("user-agent") != "loop/1" || got.Path != "/api/v1/namespaces/n/pods" {
		t.Errorf("request %+v", got)
	}
	if string(got.Body[:28]) != `{"kind":"Pod","apiVersion":"` {
		t.Errorf("body %s", got.Body)
	}
	if pod.UID != "u" || pod.Labels != nil {
		t.Errorf("the answer was not read into the object: %+v", pod)
	}
}

func TestRefusalsAreStatusErrors(t *testing.T) {
	c := New(func(context.Context, *request.Request) (*request.Response, error) {
		return &request.Response{Status: 404, Body: []byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)}, nil
	}, nil, "")
	if err := c.Get(context.Background(), pods, "n", "p", &corev1.Pod{}); !apierrors.IsNotFound(err) {
		t.Errorf("got %v", err)
	}
}

// Events come whole however the bytes were cut.
func TestWatchCutsFrames(t *testing.T) {
	const stream = `{"type":"ADDED","object":{"a":1}}` + "\n" + `{"type":"DELETED","object":{"a":2}}` + "\n" +
		`{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}` + "\n"
	for size := 1; size < len(stream); size += 7 {
		c := New(func(context.Context, *request.Request) (*request.Response, error) {
			return &request.Response{Chunked: func(_ context.Context, w request.ChunkWriter) error {
				for i := 0; i < len(stream); i += size {
					if _, err := w.Write([]byte(stream[i:min(i+size, len(stream))])); err != nil {
						return err
					}
				}
				return nil
			}}, nil
		}, nil, "")
		var got string
		err := c.Watch(context.Background(), pods, "", metav1.ListOptions{}, func(e Event) error {
			got += fmt.Sprint(e.Type, string(e.Object), " ")
			return nil
		})
		if !apierrors.IsResourceExpired(err) || got != `ADDED{"a":1} DELETED{"a":2} ` {
			t.Fatalf("size %d: %v, %q", size, err, got)
		}
	}
}
