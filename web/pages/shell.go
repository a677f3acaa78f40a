package pages

import (
	"context"
	"encoding/json"
	"net/http"
	"sort"
	"strings"

	tmpl "pilothouse/templates/pages"
	"pilothouse/web/logs"
	"pilothouse/web/terminal"
	"pilothouse/web/view"

	"github.com/a-h/templ"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
)

// shownShells bounds the pods whose containers the tab of a workload shows.
const shownShells = 50

// shellTab shows in which containers of a pod, or of the pods of a workload, a
// shell can be opened.
func shellTab(ctx context.Context, c *Call, o *loaded, v *view.Object) (templ.Component, error) {
	v.Curl = "" // a shell goes both ways, which curl cannot
	if isPod(o) {
		s := &view.Shell{Namespace: o.namespace, Pod: o.name, FormToken: v.FormToken, CanDebug: true}
		s.Containers = c.shellContainers(ctx, o.address, c.containers(&o.object))
		s.DebugDenied = c.may(ctx, right{verb: "patch", address: o.address, sub: "ephemeralcontainers"})
		v.Command = "kubectl exec -it -n " + shellQuote(o.namespace) + " " + shellQuote(o.name) + " -- sh"
		return tmpl.Shell(s), nil
	}
	pods, err := logs.Pods(ctx, c.Client, o.logQuery(c.Query))
	if err != nil {
		return nil, err
	}
	running := func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning }
	sort.SliceStable(pods, func(i, j int) bool { // those that run first
		a, b := pods[i], pods[j]
		return running(a) && !running(b)
	})
	s := &view.Shell{Namespace: o.namespace}
	for _, p := range pods[:min(len(pods), shownShells)] {
		m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(p)
		if err != nil {
			return nil, err
		}
		u := &unstructured.Unstructured{Object: m}
		u.SetKind("Pod")
		s.Containers = append(s.Containers, c.shellContainers(ctx, address{gvr: podsResource, namespace: p.Namespace, name: p.Name}, c.containers(u))...)
	}
	if len(pods) > shownShells {
		s.Note = c.T("%d of %d pods.", shownShells, len(pods))
	}
	switch at := kubectlName(c.Types(), o.gvr) + "/" + o.name; {
	case !gathersPods.has(o.entry): // kubectl takes the first pod itself
		v.Command = "kubectl exec -it -n " + shellQuote(o.namespace) + " " + shellQuote(at) + " -- sh"
	case len(s.Containers) > 0:
		v.Command = s.Containers[0].Command
	}
	return tmpl.Shell(s), nil
}

// shellContainers are the containers of a pod, with what the user lacks to run
// something in them.
func (c *Call) shellContainers(ctx context.Context, pod address, list []view.Container) []view.ShellContainer {
	denied, attachDenied := c.mayRun(ctx, pod, "exec"), c.mayRun(ctx, pod, "attach")
	var out []view.ShellContainer
	for _, one := range list {
		of := " -it -n " + shellQuote(pod.namespace) + " " + shellQuote(pod.name) + " -c " + shellQuote(one.Name)
		out = append(out, view.ShellContainer{
			Pod:  view.Link{Text: pod.name, Href: objectPath(podsResource, pod.namespace, pod.name)},
			Name: one.Name, Kind: one.Kind, State: one.State, Tone: one.Tone, Running: one.Running, Denied: denied, AttachDenied: attachDenied,
			Command: "kubectl exec" + of + " -- sh", AttachCommand: "kubectl attach" + of,
		})
	}
	return out
}

// mayRun tells what the user lacks to run something in a pod, or to attach to it. The
// API asks for create, whatever the method of the request is.
func (c *Call) mayRun(ctx context.Context, a address, sub string) *view.Denied {
	return c.may(ctx, right{verb: "create", address: a, sub: sub})
}

// TerminalTarget is what the address of a terminal's websocket wants to run in.
func (c *Call) TerminalTarget(ctx context.Context) terminal.Target {
	q := c.Query
	t := terminal.Target{
		Namespace: q.Get("ns"), Pod: q.Get("pod"), Container: q.Get("container"),
		Attach: q.Get("attach") != "", Await: q.Get("await") != "", TTY: true, Stdin: true,
	}
	if !t.Attach && t.Container != "" {
		return t
	}
	pod := &corev1.Pod{}
	if c.Client.Get(ctx, podsResource, t.Namespace, t.Pod, pod) != nil {
		return t // opening the terminal says why
	}
	if t.Container == "" && len(pod.Spec.Containers) > 0 {
		if t.Container = pod.Annotations[defaultContainer]; t.Container == "" {
			t.Container = pod.Spec.Containers[0].Name
		}
	}
	t.TTY, t.Stdin = terminalOf(&pod.Spec, t.Container)
	return t
}

// terminalOf tells whether a container's process has a terminal, and whether it
// reads.
func terminalOf(spec *corev1.PodSpec, name string) (tty, stdin bool) {
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			if list[i].Name == name {
				return list[i].TTY, list[i].Stdin
			}
		}
	}
	for i := range spec.EphemeralContainers {
		if e := &spec.EphemeralContainers[i]; e.Name == name {
			return e.TTY, e.Stdin
		}
	}
	return true, true
}

// debugImage is what a debug container runs unless somebody names another image.
const debugImage = "busybox:stable"

// debug adds an ephemeral container with a shell to a pod, as kubectl debug
// does, and tells its name.
func debug(ctx context.Context, c *Call) (*Answer, error) {
	f := c.Form
	image := strings.TrimSpace(f.Get("image"))
	if image == "" {
		image = debugImage
	}
	one := corev1.EphemeralContainer{
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: "debugger-" + rand.String(5), Image: image, Stdin: true, TTY: true, ImagePullPolicy: corev1.PullIfNotPresent,
			TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		},
		TargetContainerName: f.Get("target"),
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"ephemeralContainers": []any{one}}})
	if err != nil {
		return nil, err
	}
	err = c.Client.Patch(ctx, podsResource, f.Get("ns"), f.Get("pod"), "ephemeralcontainers", types.StrategicMergePatchType, patch, nil)
	if c.R.Header.Get("X-Pilothouse") == "" {
		if err != nil {
			return nil, err
		}
		return &Answer{Redirect: objectPath(podsResource, f.Get("ns"), f.Get("pod")) + "?tab=shell"}, nil
	}
	out := map[string]string{"container": one.Name}
	status := http.StatusOK
	if err != nil {
		fault, _ := c.Fault(err)
		out, status = map[string]string{"problem": fault.Message}, fault.Code
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return &Answer{Status: status, Raw: raw, Type: "application/json"}, nil
}
