package plugins

import (
	"fmt"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// enforceMountable is the annotation of accounts whose pods may only use the
// secrets that the account lists.
const enforceMountable = "kubernetes.io/enforce-mountable-secrets"

// allowedSecrets refuses secrets that an account with that annotation doesn't
// list.
func allowedSecrets(a *admission.Attributes, account *corev1.ServiceAccount, pod *corev1.Pod) error {
	if account.Annotations[enforceMountable] != "true" {
		return nil
	}
	mountable := sets.New[string]()
	for _, s := range account.Secrets {
		mountable.Insert(s.Name)
	}
	for i := range pod.Spec.Volumes {
		if s := pod.Spec.Volumes[i].Secret; s != nil && !mountable.Has(s.SecretName) {
			return admission.Forbid(a, fmt.Sprintf("volume with secret.secretName=\"%s\" is not allowed because service account %s does not reference that secret", s.SecretName, account.Name))
		}
	}
	if err := allowedContainerSecrets(a, account, mountable, "init container", pod.Spec.InitContainers); err != nil {
		return err
	}
	if err := allowedContainerSecrets(a, account, mountable, "container", pod.Spec.Containers); err != nil {
		return err
	}
	pull := sets.New[string]()
	for _, s := range account.ImagePullSecrets {
		pull.Insert(s.Name)
	}
	for i, s := range pod.Spec.ImagePullSecrets {
		if !pull.Has(s.Name) {
			return admission.Forbid(a, fmt.Sprintf("imagePullSecrets[%d].name=\"%s\" is not allowed because service account %s does not reference that imagePullSecret", i, s.Name, account.Name))
		}
	}
	return nil
}

// allowedEphemeralSecrets is allowedSecrets for the containers that an update
// adds.
func allowedEphemeralSecrets(a *admission.Attributes, account *corev1.ServiceAccount, pod *corev1.Pod) error {
	if account.Annotations[enforceMountable] != "true" {
		return nil
	}
	mountable := sets.New[string]()
	for _, s := range account.Secrets {
		mountable.Insert(s.Name)
	}
	return allowedContainerSecrets(a, account, mountable, "ephemeral container", ephemeralOf(pod))
}

func ephemeralOf(pod *corev1.Pod) []corev1.Container {
	list := make([]corev1.Container, len(pod.Spec.EphemeralContainers))
	for i := range pod.Spec.EphemeralContainers {
		list[i] = corev1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
	}
	return list
}

func allowedContainerSecrets(a *admission.Attributes, account *corev1.ServiceAccount, mountable sets.Set[string], what string, containers []corev1.Container) error {
	for i := range containers {
		c := &containers[i]
		for _, env := range c.Env {
			if env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil && !mountable.Has(env.ValueFrom.SecretKeyRef.Name) {
				return admission.Forbid(a, fmt.Sprintf("%s %s with envVar %s referencing secret.secretName=\"%s\" is not allowed because service account %s does not reference that secret", what, c.Name, env.Name, env.ValueFrom.SecretKeyRef.Name, account.Name))
			}
		}
		for _, env := range c.EnvFrom {
			if env.SecretRef != nil && !mountable.Has(env.SecretRef.Name) {
				return admission.Forbid(a, fmt.Sprintf("%s %s with envFrom referencing secret.secretName=\"%s\" is not allowed because service account %s does not reference that secret", what, c.Name, env.SecretRef.Name, account.Name))
			}
		}
	}
	return nil
}

// usesSecrets tells whether a pod names any secret.
func usesSecrets(pod *corev1.Pod) bool {
	if len(pod.Spec.ImagePullSecrets) > 0 {
		return true
	}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers, ephemeralOf(pod)} {
		for i := range list {
			for _, env := range list[i].EnvFrom {
				if env.SecretRef != nil {
					return true
				}
			}
			for _, env := range list[i].Env {
				if env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil {
					return true
				}
			}
		}
	}
	for i := range pod.Spec.Volumes {
		if volumeUsesSecret(&pod.Spec.Volumes[i]) {
			return true
		}
	}
	return false
}

func volumeUsesSecret(v *corev1.Volume) bool {
	switch {
	case v.Secret != nil,
		v.AzureFile != nil && v.AzureFile.SecretName != "",
		v.CephFS != nil && v.CephFS.SecretRef != nil,
		v.Cinder != nil && v.Cinder.SecretRef != nil,
		v.FlexVolume != nil && v.FlexVolume.SecretRef != nil,
		v.RBD != nil && v.RBD.SecretRef != nil,
		v.ScaleIO != nil && v.ScaleIO.SecretRef != nil,
		v.ISCSI != nil && v.ISCSI.SecretRef != nil,
		v.StorageOS != nil && v.StorageOS.SecretRef != nil,
		v.CSI != nil && v.CSI.NodePublishSecretRef != nil:
		return true
	case v.Projected != nil:
		for _, source := range v.Projected.Sources {
			if source.Secret != nil {
				return true
			}
		}
	}
	return false
}
