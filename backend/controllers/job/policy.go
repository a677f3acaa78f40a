package job

import (
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// policy says what a pod's failure means, and why where it ends the Job.
// https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy
func (r *run) policy(p *corev1.Pod) (batchv1.PodFailurePolicyAction, string) {
	if r.Spec.PodFailurePolicy == nil || p.Status.Phase != corev1.PodFailed {
		return batchv1.PodFailurePolicyActionCount, ""
	}
	for i := range r.Spec.PodFailurePolicy.Rules {
		rule := &r.Spec.PodFailurePolicy.Rules[i]
		if rule.OnExitCodes != nil {
			if c := exited(p, rule.OnExitCodes); c != nil {
				return rule.Action, fmt.Sprintf("Container %s for pod %s/%s failed with exit code %d matching %s rule at index %d",
					c.Name, p.Namespace, p.Name, c.State.Terminated.ExitCode, rule.Action, i)
			}
			continue
		}
		for _, k := range p.Status.Conditions {
			if slices.ContainsFunc(rule.OnPodConditions, func(w batchv1.PodFailurePolicyOnPodConditionsPattern) bool {
				return w.Type == k.Type && w.Status == k.Status
			}) {
				return rule.Action, fmt.Sprintf("Pod %s/%s has condition %s matching %s rule at index %d", p.Namespace, p.Name, k.Type, rule.Action, i)
			}
		}
	}
	return batchv1.PodFailurePolicyActionCount, ""
}

// exited gives a container that ended with one of the codes of a rule.
func exited(p *corev1.Pod, rule *batchv1.PodFailurePolicyOnExitCodesRequirement) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses} {
		for i := range list {
			c := &list[i]
			if c.State.Terminated == nil || c.State.Terminated.ExitCode == 0 || rule.ContainerName != nil && *rule.ContainerName != c.Name {
				continue
			}
			if slices.Contains(rule.Values, c.State.Terminated.ExitCode) == (rule.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn) {
				return c
			}
		}
	}
	return nil
}
