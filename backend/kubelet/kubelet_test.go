package kubelet_test

import (
	"testing"
	"time"

	"pilothouse/backend/kubelet"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func node(port int32, addresses ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
	for i := 0; i < len(addresses); i += 2 {
		n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeAddressType(addresses[i]), Address: addresses[i+1]})
	}
	n.Status.DaemonEndpoints.KubeletEndpoint.Port = port
	return n
}

func TestAddressIsThatOfTheMostPreferredType(t *testing.T) {
	check := func(types []string, n *corev1.Node, want string) {
		t.Helper()
		c, err := kubelet.New(kubelet.Options{AddressTypes: types}).Connection(n)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = c.Scheme + " " + c.Address()
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	both := node(0, "InternalIP", "10.0.0.1", "Hostname", "host")
	check(nil, both, "https host:10250")
	check([]string{"InternalIP", "Hostname"}, both, "https 10.0.0.1:10250")
	check([]string{"InternalIP"}, node(4, "InternalIP", "", "InternalIP", "fd00::1", "InternalIP", "10.0.0.1"), "https [fd00::1]:4")
	check([]string{"ExternalIP"}, both, "no preferred addresses found; known addresses: [{InternalIP 10.0.0.1} {Hostname host}]")
	labelled := node(0)
	labelled.Labels = map[string]string{corev1.LabelHostname: "label"}
	check(nil, labelled, "https label:10250")
	check([]string{"InternalIP"}, labelled, "no preferred addresses found; known addresses: []")
}

func TestPathsAreTheKubelets(t *testing.T) {
	c, err := kubelet.New(kubelet.Options{}).Connection(node(1, "InternalIP", "10.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p"}}
	check := func(got, want string) {
		t.Helper()
		if want = "https://10.0.0.1:1" + want; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	seconds, at := int64(7), metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC))
	check(c.LogURL(pod, "c", &corev1.PodLogOptions{}).String(), "/containerLogs/ns/p/c")
	check(c.LogURL(pod, "c", &corev1.PodLogOptions{Follow: true, Previous: true, Timestamps: true, SinceSeconds: &seconds, SinceTime: &at, TailLines: &seconds, LimitBytes: &seconds}).String(),
		"/containerLogs/ns/p/c?follow=true&limitBytes=7&previous=true&sinceSeconds=7&sinceTime=2026-01-02T03%3A04%3A05Z&tailLines=7&timestamps=true")
	check(c.ExecURL(pod, "c", kubelet.Streams{Stdin: true, Stdout: true, TTY: true}, []string{"sh", "-c", "a b"}).String(),
		"/exec/ns/p/c?command=sh&command=-c&command=a+b&input=1&output=1&tty=1")
	check(c.AttachURL(pod, "c", kubelet.Streams{Stderr: true}).String(), "/attach/ns/p/c?error=1")
	check(c.PortForwardURL(pod, nil).String(), "/portForward/ns/p")
	check(c.PortForwardURL(pod, []int32{80, 81}).String(), "/portForward/ns/p?port=80%2C81")
}
