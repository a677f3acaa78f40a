package node

import (
	"context"
	"net/http"
	"testing"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/node/sim"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestThePodsOwnEndDoesNotInterruptItsDelete has the event of a pod's end come
// before the answer to the request that brought it about.
func TestThePodsOwnEndDoesNotInterruptItsDelete(t *testing.T) {
	dir := t.TempDir()
	rt, err := sim.New(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close() })
	var w *worker
	deletes := 0
	api := func(ctx context.Context, r *request.Request) (*request.Response, error) {
		if r.Method == http.MethodDelete {
			deletes++
			w.vanish()
			if err := ctx.Err(); err != nil {
				t.Errorf("the delete is interrupted: %v", err)
			}
		}
		return &request.Response{ContentType: "application/json", Body: []byte("{}")}, ctx.Err()
	}
	a, err := New(Options{Name: "n", Dir: dir, Runtime: rt, Clock: time.Now, Client: client.New(api, request.Server, "kubelet")})
	if err != nil {
		t.Fatal(err)
	}
	now, zero := metav1.Now(), int64(0)
	w = newWorker(a, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: "u", DeletionTimestamp: &now, DeletionGracePeriodSeconds: &zero},
		Spec:       corev1.PodSpec{NodeName: "n", Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	})
	finished, err := w.terminate(t.Context())
	if err != nil || !finished || deletes != 1 {
		t.Errorf("the pod's end: %v, %v, after %d deletes", finished, err, deletes)
	}
}
