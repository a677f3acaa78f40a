package statefulset

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pilothouse/backend/controllers/workload"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// ordinalOf gives the number in a pod's name; false for one that is not named
// after the set.
func ordinalOf(s *appsv1.StatefulSet, p *corev1.Pod) (int, bool) {
	text, ok := strings.CutPrefix(p.Name, s.Name+"-")
	if !ok || text == "" || text[0] < '0' || text[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return int(n), err == nil
}

func revisionOf(p *corev1.Pod) string { return p.Labels[appsv1.StatefulSetRevisionLabel] }

// newPod gives the pod of a number, of the revision that is its turn.
func (s *set) newPod(ordinal int) (*corev1.Pod, error) {
	revision := s.update
	if s.needsCurrent(ordinal) {
		revision = s.current
	}
	template, err := workload.TemplateOf(revision)
	if err != nil {
		return nil, err
	}
	p := workload.NewPod(template, s.StatefulSet, kind.GroupVersionKind)
	p.Name, p.GenerateName = fmt.Sprintf("%s-%d", s.Name, ordinal), ""
	p.Labels = maps.Clone(p.Labels)
	if p.Labels == nil {
		p.Labels = map[string]string{}
	}
	p.Labels[appsv1.StatefulSetPodNameLabel] = p.Name
	p.Labels[appsv1.PodIndexLabel] = strconv.Itoa(ordinal)
	p.Labels[appsv1.StatefulSetRevisionLabel] = revision.Name
	p.Spec.Hostname, p.Spec.Subdomain = p.Name, s.Spec.ServiceName
	for i := range s.Spec.VolumeClaimTemplates {
		name := s.Spec.VolumeClaimTemplates[i].Name
		p.Spec.Volumes = append(
			slices.DeleteFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name }),
			corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claimName(s.StatefulSet, name, ordinal)},
			}})
	}
	return p, nil
}

// needsCurrent tells whether a new pod still gets the revision from before the
// rollout: below the partition, and among those that the rollout has not reached.
func (s *set) needsCurrent(ordinal int) bool {
	if s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		return false
	}
	if s.Spec.UpdateStrategy.RollingUpdate == nil {
		return ordinal < s.first()+int(s.Status.CurrentReplicas)
	}
	return ordinal < s.partition()
}
