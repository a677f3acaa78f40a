package pages

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	tmpl "pilothouse/templates/pages"
	"pilothouse/web/terminal"
	"pilothouse/web/view"

	"github.com/a-h/templ"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
)

// shellTab shows in which containers of a pod a shell can be opened.
func shellTab(_ context.Context, c *Call, o *loaded, v *view.Object) (templ.Component, error) {
	s := &view.Shell{Path: v.Path, Namespace: o.namespace, Pod: o.name, FormToken: v.FormToken, CanDebug: true}
	for _, one := range c.containers(&o.object) {
		in := "kubectl exec -it -n " + o.namespace + " " + o.name + " -c " + one.Name + " -- sh"
		s.Containers = append(s.Containers, view.ShellContainer{
			Name: one.Name, Kind: one.Kind, State: one.State, Tone: one.Tone, Running: one.Running,
			Command: in, AttachCommand: "kubectl attach -it -n " + o.namespace + " " + o.name + " -c " + one.Name,
		})
	}
	v.Curl = "" // a shell goes both ways, which curl cannot
	v.Command = "kubectl exec -it -n " + o.namespace + " " + o.name + " -- sh"
	return tmpl.Shell(s), nil
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
