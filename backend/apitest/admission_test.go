package apitest_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/apitest"
	"pilothouse/backend/config"

	corev1 "k8s.io/api/core/v1"
)

const pods = "/api/v1/namespaces/default/pods"

func podBody(name string) string {
	return `{"metadata":{"name":"` + name + `"},"spec":{"containers":[{"name":"c","image":"i"}]}}`
}

func TestAPodGetsWhatItLacks(t *testing.T) {
	c := apitest.Start(t).Admin()
	var pod corev1.Pod
	c.Post(pods, podBody("p")).Must(201).Into(&pod)
	if pod.Spec.ServiceAccountName != "default" || len(pod.Spec.Volumes) != 1 || len(pod.Spec.Tolerations) != 2 || *pod.Spec.Priority != 0 {
		t.Errorf("a pod got %v", pod.Spec)
	}
	s := c.Delete("/api/v1/namespaces/kube-system").Must(403).Status()
	if s.Message != `namespaces "kube-system" is forbidden: this namespace may not be deleted` {
		t.Error(s.Message)
	}
	c.Post("/api/v1/namespaces/none/configmaps", `{"metadata":{"name":"a"}}`).Must(404)
}

func TestPluginsAreChosenByFlags(t *testing.T) {
	c := apitest.Start(t, apitest.Options{Change: func(o *config.Options) {
		o.Admission.Enable, o.Admission.Disable = []string{"AlwaysPullImages"}, []string{"ServiceAccount"}
		o.Admission.NotReadyTolerationSeconds = 7
	}}).Admin()
	var pod corev1.Pod
	c.Post(pods, podBody("p")).Must(201).Into(&pod)
	if pod.Spec.ServiceAccountName != "" || pod.Spec.Containers[0].ImagePullPolicy != corev1.PullAlways || *pod.Spec.Tolerations[0].TolerationSeconds != 7 {
		t.Errorf("a pod got %v", pod.Spec)
	}
}

// TestQuotaHoldsUnderLoad has 64 clients create at the same time, with the
// controller running, and then gives everything back.
func TestQuotaHoldsUnderLoad(t *testing.T) {
	c := apitest.Start(t).Admin()
	const quotas, secrets = "/api/v1/namespaces/default/resourcequotas", "/api/v1/namespaces/default/secrets"
	c.Post(quotas, `{"metadata":{"name":"q"},"spec":{"hard":{"secrets":"50"}}}`).Must(201)
	var created, refused atomic.Int32
	var clients sync.WaitGroup
	for i := range 64 {
		clients.Go(func() {
			for j := range 2 {
				switch a := c.Post(secrets, fmt.Sprintf(`{"metadata":{"name":"s-%d-%d"}}`, i, j)); a.Code {
				case 201:
					created.Add(1)
				case 403:
					refused.Add(1)
					if m := a.Status().Message; !strings.Contains(m, "exceeded quota: q, requested: secrets=1, used: secrets=") {
						t.Error(m)
					}
				default:
					t.Errorf("create answered %d", a.Code)
				}
			}
		})
	}
	clients.Wait()
	if n := created.Load(); n > 50 || n+refused.Load() != 128 {
		t.Errorf("%d secrets in a quota of 50, %d refused", n, refused.Load())
	}
	used := func() string {
		var q corev1.ResourceQuota
		c.Get(quotas + "/q").Must(200).Into(&q)
		n := q.Status.Used[corev1.ResourceSecrets]
		return n.String()
	}
	awaits(t, fmt.Sprint(created.Load()), used)
	c.Delete(secrets).Must(200)
	awaits(t, "0", used)
	c.Post(secrets, `{"metadata":{"name":"again"}}`).Must(201)
	if got := used(); got != "1" {
		t.Errorf("used %s right after a create", got)
	}
	// A create that fails behind admission leaves no trace.
	c.Post(secrets, `{"metadata":{"name":"again"}}`).Must(409)
	awaits(t, "1", used)
}

// awaits waits until f gives a value. What is awaited comes at once on a machine
// that has nothing else to do; the time is for what hangs.
func awaits(t *testing.T, want string, f func() string) {
	t.Helper()
	got := ""
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got = f(); got == want {
			return
		}
	}
	t.Errorf("it stays at %s, want %s", got, want)
}
