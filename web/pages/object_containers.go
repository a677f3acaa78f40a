package pages

import (
	"net/url"
	"strings"
	"time"

	"pilothouse/web/view"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// podSpecs are where kinds keep a pod's spec, as dig takes it.
var podSpecs = map[string]string{
	"Pod":         "spec",
	"Deployment":  "spec template spec",
	"ReplicaSet":  "spec template spec",
	"StatefulSet": "spec template spec", "DaemonSet": "spec template spec",
	"ReplicationController": "spec template spec", "Job": "spec template spec",
	"CronJob":     "spec jobTemplate spec template spec",
	"PodTemplate": "template spec",
}

// containers are those of a pod, with their state, or of a pod template.
func (c *Call) containers(o *unstructured.Unstructured) []view.Container {
	path, ok := podSpecs[o.GetKind()]
	if !ok {
		return nil
	}
	spec, _ := dig(o.Object, path).(map[string]any)
	status, _ := o.Object["status"].(map[string]any)
	var list []view.Container
	for _, part := range []struct{ spec, status, kind string }{
		{"initContainers", "initContainerStatuses", "init"}, {"containers", "containerStatuses", ""}, {"ephemeralContainers", "ephemeralContainerStatuses", "ephemeral"},
	} {
		states := byName(status[part.status])
		for _, k := range objects(spec[part.spec]) {
			v := view.Container{Name: text(k["name"]), Image: text(k["image"]), Kind: part.kind, Ports: ports(k)}
			v.Requests, v.Limits = resourceText(k, "requests"), resourceText(k, "limits")
			if s, ok := states[v.Name]; ok {
				v.Logs, v.Before = logLinks(o, v.Name, s)
				v.Restarts = text(s["restartCount"])
				v.State = stateOf(s)
				v.Why, v.Last = messageOf(s), c.lastOf(s)
				v.Running = v.State == "Running"
				v.Tone = view.Tone("Status", v.State)
				if v.State == "Running" && s["ready"] == false {
					v.State, v.Tone = c.T("Running, not ready"), view.Warn
				}
			}
			list = append(list, v)
		}
	}
	return list
}

// messageOf is what the state of a container says besides its reason.
func messageOf(status map[string]any) string {
	for _, name := range []string{"waiting", "terminated"} {
		if m := digText(status, "state "+name+" message"); m != "" {
			return shorten(strings.TrimSpace(m), 300)
		}
	}
	return ""
}

// lastOf is how a container ended before it was started again.
func (c *Call) lastOf(status map[string]any) view.Cell {
	last := dig(status, "lastState terminated")
	if last == nil {
		return view.Cell{}
	}
	text := strings.TrimPrefix(digText(last, "reason")+", "+c.T("exit code %s", digText(last, "exitCode")), ", ")
	ended := digText(last, "finishedAt")
	at, err := time.Parse(time.RFC3339, ended)
	if err != nil {
		return view.Cell{Text: text}
	}
	const here = "\x00"
	v := view.Cell{Text: age(time.Since(at)), Time: ended}
	v.Lead, v.Tail, _ = strings.Cut(c.T("%s, %s ago", text, here), here)
	return v
}

// logLinks lead to the log of a pod's container, and to that of before its last
// restart. One that has not begun has none.
func logLinks(pod *unstructured.Unstructured, name string, status map[string]any) (logs, before string) {
	if pod.GetKind() != "Pod" || pod.GetNamespace() == "" {
		return "", ""
	}
	at := join(objectPath(podsResource, pod.GetNamespace(), pod.GetName()), url.Values{"tab": {"logs"}, "container": {name}})
	restarted := dig(status, "lastState terminated") != nil || digInt(status, "restartCount") > 0
	if dig(status, "state waiting") == nil {
		logs = at
	}
	if restarted {
		before = at + "&previous=1"
	}
	return logs, before
}

func objects(v any) []map[string]any {
	items, _ := v.([]any)
	var list []map[string]any
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			list = append(list, m)
		}
	}
	return list
}

func byName(v any) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, m := range objects(v) {
		out[text(m["name"])] = m
	}
	return out
}

func stateOf(status map[string]any) string {
	state, _ := status["state"].(map[string]any)
	for _, name := range []string{"waiting", "terminated"} {
		if s, ok := state[name].(map[string]any); ok {
			if reason := text(s["reason"]); reason != "" {
				return reason
			}
			if code := text(s["exitCode"]); code != "" {
				return "ExitCode:" + code
			}
			return strings.ToUpper(name[:1]) + name[1:]
		}
	}
	if _, ok := state["running"]; ok {
		return "Running"
	}
	return ""
}

func ports(c map[string]any) string {
	var list []string
	for _, p := range objects(c["ports"]) {
		s := text(p["containerPort"])
		if protocol := text(p["protocol"]); protocol != "" && protocol != "TCP" {
			s += "/" + protocol
		}
		if name := text(p["name"]); name != "" {
			s = name + " " + s
		}
		list = append(list, s)
	}
	return strings.Join(list, ", ")
}

func resourceText(c map[string]any, which string) string {
	all, _ := c["resources"].(map[string]any)
	m, _ := all[which].(map[string]any)
	var list []string
	for _, k := range sortedKeys(m) {
		list = append(list, k+" "+text(m[k]))
	}
	return strings.Join(list, ", ")
}
