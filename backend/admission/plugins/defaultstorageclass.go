package plugins

import (
	"context"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
)

const (
	defaultClass     = "storageclass.kubernetes.io/is-default-class"
	betaDefaultClass = "storageclass.beta.kubernetes.io/is-default-class"
)

// defaultStorageClass gives claims that name no class the default one.
type defaultStorageClass struct {
	handler
	classes *lookup[*storagev1.StorageClass]
}

func newDefaultStorageClass(d *deps) (admission.Plugin, error) {
	return &defaultStorageClass{handler{"DefaultStorageClass", on(admission.Create, claims)}, d.storageClasses}, nil
}

// Mutate fills in the class.
func (p *defaultStorageClass) Mutate(_ context.Context, a *admission.Attributes) error {
	claim, err := objectOf[*corev1.PersistentVolumeClaim](a, "PersistentVolumeClaim")
	if err != nil {
		return err
	}
	if _, old := claim.Annotations[corev1.BetaStorageClassAnnotation]; old || claim.Spec.StorageClassName != nil {
		return nil
	}
	if class := p.newest(); class != nil {
		claim.Spec.StorageClassName = new(class.Name)
	}
	return nil
}

// newest gives the youngest of the classes that are marked as the default, the
// first by name among those of the same second.
func (p *defaultStorageClass) newest() *storagev1.StorageClass {
	var found *storagev1.StorageClass
	p.classes.each("", func(c *storagev1.StorageClass) bool {
		if c.Annotations[defaultClass] != "true" && c.Annotations[betaDefaultClass] != "true" {
			return true
		}
		if found == nil || found.CreationTimestamp.Before(&c.CreationTimestamp) {
			found = c
		}
		return true
	})
	return found
}

// storageClassOf is the class that a claim names, in whichever way.
func storageClassOf(claim *corev1.PersistentVolumeClaim) string {
	if class, ok := claim.Annotations[corev1.BetaStorageClassAnnotation]; ok {
		return class
	}
	if claim.Spec.StorageClassName != nil {
		return *claim.Spec.StorageClassName
	}
	return ""
}
