package e2e

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

// nodeOf gives the server's node once it is ready.
func nodeOf(t *testing.T, c *kubernetes.Clientset) *corev1.Node {
	t.Helper()
	var node *corev1.Node
	eventually(t, "a node that is ready and has no taint", func() bool {
		list, err := c.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		if err != nil || len(list.Items) != 1 {
			return false
		}
		node = &list.Items[0]
		for _, k := range node.Status.Conditions {
			if k.Type == corev1.NodeReady && k.Status == corev1.ConditionTrue {
				return len(node.Spec.Taints) == 0
			}
		}
		return false
	})
	return node
}

// podIs waits until a pod is as wanted, and gives it.
func podIs(t *testing.T, c *kubernetes.Clientset, name, what string, ok func(p *corev1.Pod) bool) *corev1.Pod {
	t.Helper()
	last := &corev1.Pod{}
	err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, waitTimeout, true, func(ctx context.Context) (bool, error) {
		p, err := c.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, nil
		}
		last = p
		return ok(p), nil
	})
	if err != nil {
		events, _ := c.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=" + name})
		var said strings.Builder
		if events != nil {
			for _, e := range events.Items {
				fmt.Fprintf(&said, "%s: %s\n", e.Reason, e.Message)
			}
		}
		t.Fatalf("pod %s is never %s: %+v\n%s", name, what, last.Status, said.String())
	}
	return last
}

func ready(p *corev1.Pod) bool {
	for _, k := range p.Status.Conditions {
		if k.Type == corev1.PodReady {
			return k.Status == corev1.ConditionTrue
		}
	}
	return false
}

func over(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// heard gathers what a reader gives.
type heard struct {
	process
}

func hear(r io.Reader) *heard {
	h := &heard{}
	go io.Copy(&h.process, r)
	return h
}

func (h *heard) awaits(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(waitTimeout); !strings.Contains(h.log(), want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %q in %q", want, h.log())
		}
	}
}
