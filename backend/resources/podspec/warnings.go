package podspec

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// PodWarnings warns of what is dubious in a new pod, in the order and the words
// of Kubernetes.
func PodWarnings(pod *v1.Pod) []string {
	var warnings []string
	if faults := validation.IsDNS1123Label(pod.Name); len(faults) > 0 {
		warnings = append(warnings, fmt.Sprintf("metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: %v", faults))
	}
	return append(warnings, specWarnings(nil, &pod.Spec, &pod.ObjectMeta)...)
}

// TemplateWarnings warns of what is dubious in a pod template at path; there
// may be none.
func TemplateWarnings(t *v1.PodTemplateSpec, path *field.Path) []string {
	if t == nil {
		return nil
	}
	return specWarnings(path, &t.Spec, &t.ObjectMeta)
}

// warner collects warnings about a spec.
type warner struct {
	path     *field.Path
	spec     *v1.PodSpec
	meta     *metav1.ObjectMeta
	warnings []string
}

func (w *warner) warn(path *field.Path, format string, args ...any) {
	w.warnings = append(w.warnings, path.String()+": "+fmt.Sprintf(format, args...))
}

// specWarnings has a nil path for a pod itself.
func specWarnings(path *field.Path, spec *v1.PodSpec, meta *metav1.ObjectMeta) []string {
	w := &warner{path: path, spec: spec, meta: meta}
	w.nodeLabels()
	w.spreadConstraints()
	w.annotations()
	w.volumes()
	w.overlaps()
	w.names()
	w.fractions(spec.Overhead, path.Child("spec", "overhead"))
	w.seccompAnnotation(v1.SeccompPodAnnotationKey, spec.SecurityContext != nil && spec.SecurityContext.SeccompProfile != nil)
	visitContainers(spec, path.Child("spec"), w.container)
	w.ports()
	if grace := spec.TerminationGracePeriodSeconds; grace != nil && *grace < 0 {
		w.warn(path.Child("spec", "terminationGracePeriodSeconds"), "must be >= 0; negative values are invalid and will be treated as 1")
	}
	w.affinity()
	w.addresses()
	return w.warnings
}

// DeprecatedNodeLabels are old labels of nodes, each with what Kubernetes says
// about it.
var DeprecatedNodeLabels = map[string]string{
	"beta.kubernetes.io/arch":                  `deprecated since v1.14; use "kubernetes.io/arch" instead`,
	"beta.kubernetes.io/os":                    `deprecated since v1.14; use "kubernetes.io/os" instead`,
	"failure-domain.beta.kubernetes.io/region": `deprecated since v1.17; use "topology.kubernetes.io/region" instead`,
	"failure-domain.beta.kubernetes.io/zone":   `deprecated since v1.17; use "topology.kubernetes.io/zone" instead`,
	"beta.kubernetes.io/instance-type":         `deprecated since v1.17; use "node.kubernetes.io/instance-type" instead`,
}

func (w *warner) nodeLabels() {
	for _, key := range sets.List(sets.KeySet(w.spec.NodeSelector)) {
		if message, old := DeprecatedNodeLabels[key]; old {
			w.warn(w.path.Child("spec", "nodeSelector").Key(key), "%s", message)
		}
	}
	a := nodeAffinity(w.spec)
	if a == nil {
		return
	}
	path := w.path.Child("spec", "affinity", "nodeAffinity")
	if r := a.RequiredDuringSchedulingIgnoredDuringExecution; r != nil {
		for i := range r.NodeSelectorTerms {
			w.warnings = append(w.warnings, NodeSelectorTermWarnings(&r.NodeSelectorTerms[i], false, path.Child("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms").Index(i))...)
		}
	}
	for i := range a.PreferredDuringSchedulingIgnoredDuringExecution {
		w.warnings = append(w.warnings, NodeSelectorTermWarnings(&a.PreferredDuringSchedulingIgnoredDuringExecution[i].Preference, true, path.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i).Child("preference"))...)
	}
}

// NodeSelectorTermWarnings warns of old node labels in a term and, with values
// set, of values that no label can have.
func NodeSelectorTermWarnings(term *v1.NodeSelectorTerm, values bool, path *field.Path) []string {
	var warnings []string
	for i, e := range term.MatchExpressions {
		p := path.Child("matchExpressions").Index(i)
		if message, old := DeprecatedNodeLabels[e.Key]; old {
			warnings = append(warnings, fmt.Sprintf("%s: %s is %s", p.Child("key"), e.Key, message))
		}
		if !values {
			continue
		}
		for j, value := range e.Values {
			for _, fault := range validation.IsValidLabelValue(value) {
				warnings = append(warnings, fmt.Sprintf("%s: %s is invalid, %s", p.Child("values").Index(j), value, fault))
			}
		}
	}
	return warnings
}

const matchesNothing = "a null labelSelector results in matching no pod"

func (w *warner) spreadConstraints() {
	for i := range w.spec.TopologySpreadConstraints {
		c, p := &w.spec.TopologySpreadConstraints[i], w.path.Child("spec", "topologySpreadConstraints").Index(i)
		if message, old := DeprecatedNodeLabels[c.TopologyKey]; old {
			w.warn(p.Child("topologyKey"), "%s is %s", c.TopologyKey, message)
		}
		if c.LabelSelector == nil {
			w.warn(p.Child("labelSelector"), matchesNothing)
		}
	}
}

func (w *warner) annotations() {
	for _, a := range []struct{ key, message string }{
		{"scheduler.alpha.kubernetes.io/critical-pod", `non-functional in v1.16+; use the "priorityClassName" field instead`},
		{"security.alpha.kubernetes.io/sysctls", `non-functional in v1.11+; use the "sysctls" field instead`},
		{"security.alpha.kubernetes.io/unsafe-sysctls", `non-functional in v1.11+; use the "sysctls" field instead`},
	} {
		if _, there := w.meta.Annotations[a.key]; there {
			w.warn(w.path.Child("metadata", "annotations").Key(a.key), "%s", a.message)
		}
	}
}

// volumes warns of types of volumes that are gone or going.
func (w *warner) volumes() {
	for i := range w.spec.Volumes {
		v, p := &w.spec.Volumes[i], w.path.Child("spec", "volumes").Index(i)
		for _, old := range []struct {
			there         bool
			name, message string
		}{
			{v.PhotonPersistentDisk != nil, "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"},
			{v.GitRepo != nil, "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"},
			{v.ScaleIO != nil, "scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
			{v.Flocker != nil, "flocker", "deprecated in v1.22, non-functional in v1.25+"},
			{v.StorageOS != nil, "storageOS", "deprecated in v1.22, non-functional in v1.25+"},
			{v.Quobyte != nil, "quobyte", "deprecated in v1.22, non-functional in v1.25+"},
			{v.Glusterfs != nil, "glusterfs", "deprecated in v1.25, non-functional in v1.26+"},
		} {
			if old.there {
				w.warn(p.Child(old.name), "%s", old.message)
			}
		}
		if v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil {
			w.warnings = append(w.warnings, ClaimSpecWarnings(&v.Ephemeral.VolumeClaimTemplate.Spec, p.Child("ephemeral", "volumeClaimTemplate", "spec"))...)
		}
		if v.CephFS != nil {
			w.warn(p.Child("cephfs"), "deprecated in v1.28, non-functional in v1.31+")
		}
		if v.RBD != nil {
			w.warn(p.Child("rbd"), "deprecated in v1.28, non-functional in v1.31+")
		}
	}
}

// ClaimSpecWarnings warns of fractions of bytes in the spec of a claim.
func ClaimSpecWarnings(s *v1.PersistentVolumeClaimSpec, path *field.Path) []string {
	w := &warner{}
	w.fraction(s.Resources.Requests, v1.ResourceStorage, path.Child("resources", "requests"))
	w.fraction(s.Resources.Limits, v1.ResourceStorage, path.Child("resources", "limits"))
	return w.warnings
}

// names warns of addresses and pull secrets that are there twice or empty.
func (w *warner) names() {
	seen := sets.Set[string]{}
	for i, alias := range w.spec.HostAliases {
		if seen.Has(alias.IP) {
			w.warn(w.path.Child("spec", "hostAliases").Index(i).Child("ip"), "duplicate ip %q", alias.IP)
		}
		seen.Insert(alias.IP)
	}
	seen = sets.Set[string]{}
	secrets := w.path.Child("spec", "imagePullSecrets")
	for i, secret := range w.spec.ImagePullSecrets {
		if seen.Has(secret.Name) {
			w.warn(secrets.Index(i).Child("name"), "duplicate name %q", secret.Name)
		}
		seen.Insert(secret.Name)
	}
	for i, secret := range w.spec.ImagePullSecrets {
		if secret.Name == "" {
			w.warn(secrets.Index(i).Child("name"), "invalid empty name %q", secret.Name)
		}
	}
}

// fractions warns of fractions of bytes.
func (w *warner) fractions(list v1.ResourceList, path *field.Path) {
	w.fraction(list, v1.ResourceMemory, path)
	w.fraction(list, v1.ResourceEphemeralStorage, path)
}

func (w *warner) fraction(list v1.ResourceList, name v1.ResourceName, path *field.Path) {
	if q, there := list[name]; there && q.MilliValue()%1000 != 0 {
		w.warn(path.Key(string(name)), "fractional byte value %q is invalid, must be an integer", q.String())
	}
}

func (w *warner) seccompAnnotation(key string, hasField bool) {
	if _, there := w.meta.Annotations[key]; there && !hasField {
		w.warn(w.path.Child("metadata", "annotations").Key(key), `non-functional in v1.27+; use the "seccompProfile" field instead`)
	}
}

func (w *warner) container(c *v1.Container, path *field.Path) {
	w.seccompAnnotation(v1.SeccompContainerAnnotationKeyPrefix+c.Name, c.SecurityContext != nil && c.SecurityContext.SeccompProfile != nil)
	// A pod itself is warned about AppArmor when its annotations become fields.
	if w.path != nil && containerAppArmor(w.spec, c) == nil {
		key := v1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix + c.Name
		if _, there := w.meta.Annotations[key]; there {
			w.warn(w.path.Child("metadata", "annotations").Key(key), `deprecated since v1.30; use the "appArmorProfile" field instead`)
		}
	}
	limits, requests := path.Child("resources", "limits"), path.Child("resources", "requests")
	w.fraction(c.Resources.Limits, v1.ResourceMemory, limits)
	w.fraction(c.Resources.Requests, v1.ResourceMemory, requests)
	w.fraction(c.Resources.Limits, v1.ResourceEphemeralStorage, limits)
	w.fraction(c.Resources.Requests, v1.ResourceEphemeralStorage, requests)
	w.env(c.Env, path.Child("env"))
}

// env warns of variables that hide one of the same name, unless they are made
// from it.
func (w *warner) env(vars []v1.EnvVar, path *field.Path) {
	if len(vars) < 2 {
		return
	}
	seen := sets.Set[string]{}
	for i := range vars {
		v := &vars[i]
		if !seen.Has(v.Name) {
			seen.Insert(v.Name)
			continue
		}
		reference := "$(" + v.Name + ")"
		if v.ValueFrom != nil || v.Value == reference || !strings.Contains(v.Value, reference) {
			w.warn(path.Index(i), "hides previous definition of %q, which may be dropped when using apply", v.Name)
		}
	}
}

// ports warns of ports that are the same or might be.
func (w *warner) ports() {
	type seenPort struct {
		path *field.Path
		port v1.ContainerPort
	}
	seen := map[string][]seenPort{}
	visitContainers(w.spec, w.path.Child("spec"), func(c *v1.Container, path *field.Path) {
		for i, port := range c.Ports {
			p := path.Child("ports").Index(i)
			if port.HostIP != "" && port.HostPort == 0 {
				w.warn(p, "hostIP set without hostPort: %+v", port)
			}
			key := fmt.Sprintf("%d/%s", port.ContainerPort, port.Protocol)
			for _, other := range seen[key] {
				switch {
				case port.HostIP == other.port.HostIP && port.HostPort == other.port.HostPort:
					w.warn(p, "duplicate port definition with %s", other.path)
				case port.HostPort == 0 || other.port.HostPort == 0:
					w.warn(p, "overlapping port definition with %s", other.path)
				case port.HostPort == other.port.HostPort && (port.HostIP == "") != (other.port.HostIP == ""):
					w.warn(p, "dangerously ambiguous port definition with %s", other.path)
				}
			}
			seen[key] = append(seen[key], seenPort{p, port})
		}
	})
}

func (w *warner) affinity() {
	a := w.spec.Affinity
	if a == nil {
		return
	}
	look := func(path *field.Path, required []v1.PodAffinityTerm, preferred []v1.WeightedPodAffinityTerm) {
		for i := range required {
			if required[i].LabelSelector == nil {
				w.warn(path.Child("requiredDuringSchedulingIgnoredDuringExecution").Index(i).Child("labelSelector"), matchesNothing)
			}
		}
		for i := range preferred {
			if preferred[i].PodAffinityTerm.LabelSelector == nil {
				w.warn(path.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i).Child("podAffinityTerm", "labelSelector"), matchesNothing)
			}
		}
	}
	if p := a.PodAffinity; p != nil {
		look(w.path.Child("spec", "affinity", "podAffinity"), p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if p := a.PodAntiAffinity; p != nil {
		look(w.path.Child("spec", "affinity", "podAntiAffinity"), p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
	}
}

// addresses warns of addresses that are spelled in an odd way.
func (w *warner) addresses() {
	if w.spec.DNSConfig != nil {
		for i, ip := range w.spec.DNSConfig.Nameservers {
			w.warnings = append(w.warnings, validation.GetWarningsForIP(w.path.Child("spec", "dnsConfig", "nameservers").Index(i), ip)...)
		}
	}
	for i := range w.spec.HostAliases {
		w.warnings = append(w.warnings, validation.GetWarningsForIP(w.path.Child("spec", "hostAliases").Index(i).Child("ip"), w.spec.HostAliases[i].IP)...)
	}
}
