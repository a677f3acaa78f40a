package node

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

type variable struct{ name, value string }

// environment gives the variables of a container: services, then envFrom, then
// env, later ones in place of earlier ones.
func (w *worker) environment(ctx context.Context, pod *corev1.Pod, c *corev1.Container, ips []string) ([]variable, error) {
	var env []variable
	at := map[string]int{}
	set := func(name, value string) {
		if i, ok := at[name]; ok {
			env[i].value = value
			return
		}
		at[name] = len(env)
		env = append(env, variable{name, value})
	}
	services := w.agent.serviceVariables(pod)
	for _, name := range slices.Sorted(maps.Keys(services)) {
		set(name, services[name])
	}
	for _, from := range c.EnvFrom {
		values, err := w.envFrom(ctx, pod, &from)
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if key := from.Prefix + name; len(validation.IsEnvVarName(key)) == 0 {
				set(key, values[name])
			}
		}
	}
	for _, e := range c.Env {
		if e.ValueFrom == nil {
			set(e.Name, expand(e.Value, env))
			continue
		}
		value, there, err := w.envValue(ctx, pod, c, e.ValueFrom, ips)
		if err != nil {
			return nil, err
		}
		if there {
			set(e.Name, value)
		}
	}
	return env, nil
}

func (w *worker) envFrom(ctx context.Context, pod *corev1.Pod, from *corev1.EnvFromSource) (map[string]string, error) {
	switch {
	case from.ConfigMapRef != nil:
		return w.configMap(ctx, pod, from.ConfigMapRef.Name, isSet(from.ConfigMapRef.Optional))
	case from.SecretRef != nil:
		return w.secret(ctx, pod, from.SecretRef.Name, isSet(from.SecretRef.Optional))
	}
	return nil, nil
}

func isSet(b *bool) bool { return b != nil && *b }

// configMap gives a map's values; none for an optional one that is not there.
func (w *worker) configMap(ctx context.Context, pod *corev1.Pod, name string, optional bool) (map[string]string, error) {
	var m corev1.ConfigMap
	if err := w.agent.Client.Get(ctx, configMapsResource, pod.Namespace, name, &m); err != nil {
		return nil, absent(err, "configmap", name, optional)
	}
	out := maps.Clone(m.Data)
	if out == nil {
		out = map[string]string{}
	}
	for k, v := range m.BinaryData {
		out[k] = string(v)
	}
	return out, nil
}

// absent words the lack of an object as kubelets do; nil when it is optional.
func absent(err error, kind, name string, optional bool) error {
	switch {
	case !apierrors.IsNotFound(err):
		return err
	case optional:
		return nil
	}
	return apierrors.NewNotFound(corev1.Resource(kind), name)
}

func (w *worker) secret(ctx context.Context, pod *corev1.Pod, name string, optional bool) (map[string]string, error) {
	var s corev1.Secret
	if err := w.agent.Client.Get(ctx, secretsResource, pod.Namespace, name, &s); err != nil {
		return nil, absent(err, "secret", name, optional)
	}
	out := map[string]string{}
	for k, v := range s.Data {
		out[k] = string(v)
	}
	return out, nil
}

// envValue gives the value of one variable; false when it is optional and not
// there.
func (w *worker) envValue(ctx context.Context, pod *corev1.Pod, c *corev1.Container, from *corev1.EnvVarSource, ips []string) (string, bool, error) {
	pick := func(values map[string]string, err error, key, what, name string, optional bool) (string, bool, error) {
		if err != nil {
			return "", false, err
		}
		value, ok := values[key]
		if !ok && !optional {
			return "", false, fmt.Errorf("couldn't find key %v in %s %v/%v", key, what, pod.Namespace, name)
		}
		return value, ok, nil
	}
	switch {
	case from.FieldRef != nil:
		value, err := w.fieldValue(pod, from.FieldRef.FieldPath, ips)
		return value, true, err
	case from.ResourceFieldRef != nil:
		value, err := w.resourceValue(pod, c, from.ResourceFieldRef)
		return value, true, err
	case from.ConfigMapKeyRef != nil:
		r := from.ConfigMapKeyRef
		values, err := w.configMap(ctx, pod, r.Name, isSet(r.Optional))
		return pick(values, err, r.Key, "ConfigMap", r.Name, isSet(r.Optional))
	case from.SecretKeyRef != nil:
		r := from.SecretKeyRef
		values, err := w.secret(ctx, pod, r.Name, isSet(r.Optional))
		return pick(values, err, r.Key, "Secret", r.Name, isSet(r.Optional))
	}
	return "", false, fmt.Errorf("a variable's source is of no kind that this node knows")
}

// fieldValue is the downward API's for one path.
func (w *worker) fieldValue(pod *corev1.Pod, path string, ips []string) (string, error) {
	if name, key, ok := subscript(path); ok {
		switch name {
		case "metadata.labels":
			return pod.Labels[key], nil
		case "metadata.annotations":
			return pod.Annotations[key], nil
		}
	}
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "metadata.labels":
		return formatMap(pod.Labels), nil
	case "metadata.annotations":
		return formatMap(pod.Annotations), nil
	case "spec.nodeName":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs":
		return w.agent.Address, nil
	case "status.podIP":
		if len(ips) > 0 {
			return ips[0], nil
		}
		return "", nil
	case "status.podIPs":
		return strings.Join(ips, ","), nil
	}
	return "", fmt.Errorf("unsupported fieldPath: %v", path)
}

// subscript takes a path like metadata.labels['a/b'] apart.
func subscript(path string) (name, key string, ok bool) {
	name, rest, found := strings.Cut(path, "['")
	key, closed := strings.CutSuffix(rest, "']")
	return name, key, found && closed
}

// formatMap gives labels as the downward API writes them into files.
func formatMap(m map[string]string) string {
	lines := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		lines = append(lines, fmt.Sprintf("%v=%q", k, m[k]))
	}
	return strings.Join(lines, "\n")
}

// resourceValue is a container's own request or limit, the node's whole size
// where there is no limit.
func (w *worker) resourceValue(pod *corev1.Pod, c *corev1.Container, r *corev1.ResourceFieldSelector) (string, error) {
	if r.ContainerName != "" {
		if c = containerOf(pod, r.ContainerName); c == nil {
			return "", fmt.Errorf("container %s not found", r.ContainerName)
		}
	}
	kind, name, _ := strings.Cut(r.Resource, ".")
	list := c.Resources.Limits
	if kind == "requests" {
		list = c.Resources.Requests
	}
	q, ok := list[corev1.ResourceName(name)]
	if !ok && kind == "limits" {
		q = w.agent.capacity()[corev1.ResourceName(name)]
	}
	divisor := r.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	if name == string(corev1.ResourceCPU) {
		return strconv.FormatInt(int64(math.Ceil(float64(q.MilliValue())/float64(divisor.MilliValue()))), 10), nil
	}
	return strconv.FormatInt(int64(math.Ceil(float64(q.Value())/float64(divisor.Value()))), 10), nil
}

// serviceVariables tell containers where services are: those of the pod's
// namespace unless it does without, and always the API's.
func (a *Agent) serviceVariables(pod *corev1.Pod) map[string]string {
	out := map[string]string{}
	links := pod.Spec.EnableServiceLinks == nil || *pod.Spec.EnableServiceLinks
	for _, s := range a.services.List() {
		api := isAPI(s)
		if s.Spec.ClusterIP == "" || s.Spec.ClusterIP == corev1.ClusterIPNone || len(s.Spec.Ports) == 0 || !api && (!links || s.Namespace != pod.Namespace) {
			continue
		}
		name := strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
		out[name+"_SERVICE_HOST"] = s.Spec.ClusterIP
		out[name+"_SERVICE_PORT"] = strconv.Itoa(int(s.Spec.Ports[0].Port))
		for i, p := range s.Spec.Ports {
			port := strconv.Itoa(int(p.Port))
			if p.Name != "" {
				out[name+"_SERVICE_PORT_"+strings.ToUpper(strings.ReplaceAll(p.Name, "-", "_"))] = port
			}
			protocol := string(p.Protocol)
			if protocol == "" {
				protocol = string(corev1.ProtocolTCP)
			}
			url := strings.ToLower(protocol) + "://" + s.Spec.ClusterIP + ":" + port
			if i == 0 {
				out[name+"_PORT"] = url
			}
			prefix := name + "_PORT_" + port + "_" + protocol
			out[prefix], out[prefix+"_PROTO"], out[prefix+"_PORT"], out[prefix+"_ADDR"] = url, strings.ToLower(protocol), port, s.Spec.ClusterIP
		}
	}
	return out
}

// expand replaces $(NAME) by the variable's value; $$ is a dollar sign, and a
// name that is not known stays as it is.
func expand(s string, env []variable) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 || i+1 == len(s) {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		rest := s[i+1:]
		switch {
		case rest[0] == '$':
			b.WriteByte('$')
			s = rest[1:]
		case rest[0] == '(' && strings.IndexByte(rest, ')') > 0:
			end := strings.IndexByte(rest, ')')
			name := rest[1:end]
			if j := slices.IndexFunc(env, func(v variable) bool { return v.name == name }); j >= 0 {
				b.WriteString(env[j].value)
			} else {
				b.WriteString("$(" + name + ")")
			}
			s = rest[end+1:]
		default:
			b.WriteByte('$')
			s = rest
		}
	}
}

func expandAll(words []string, env []variable) []string {
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = expand(word, env)
	}
	return out
}
