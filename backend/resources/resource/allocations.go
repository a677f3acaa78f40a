package resource

import (
	"slices"

	"pilothouse/backend/resources/validate"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// deviceID names a device, or a share of one that several claims have.
type deviceID struct{ Driver, Pool, Device, ShareID string }

func statusID(d *resourcev1.AllocatedDeviceStatus) deviceID {
	id := deviceID{Driver: d.Driver, Pool: d.Pool, Device: d.Device}
	if d.ShareID != nil {
		id.ShareID = *d.ShareID
	}
	return id
}

func allocatedDevices(a *resourcev1.AllocationResult) map[deviceID]bool {
	devices := map[deviceID]bool{}
	if a == nil {
		return devices
	}
	for _, r := range a.Devices.Results {
		id := deviceID{Driver: r.Driver, Pool: r.Pool, Device: r.Device}
		if r.ShareID != nil {
			id.ShareID = string(*r.ShareID)
		}
		devices[id] = true
	}
	return devices
}

func validateClaimStatus(c, old *resourcev1.ResourceClaim, at *field.Path) field.ErrorList {
	s := &c.Status
	errs := set(s.ReservedFor, resourcev1.ResourceClaimReservedForMaxSize,
		func(r resourcev1.ResourceClaimConsumerReference) types.UID { return r.UID }, at.Child("reservedFor"), validateConsumer)
	devices := allocatedDevices(s.Allocation)
	errs = append(errs, set(s.Devices, -1,
		func(d resourcev1.AllocatedDeviceStatus) deviceID { return statusID(&d) }, at.Child("devices"),
		func(d resourcev1.AllocatedDeviceStatus, at *field.Path) field.ErrorList {
			return validateDeviceStatus(&d, devices, at)
		})...)
	errs = append(errs, validateReservations(c, old, at.Child("reservedFor"))...)
	switch {
	case s.Allocation == nil:
	case old.Status.Allocation == nil:
		errs = append(errs, validateAllocation(s.Allocation, namesOf(&c.Spec.Devices), at.Child("allocation"))...)
	case !equality.Semantic.DeepEqual(s.Allocation, old.Status.Allocation):
		errs = append(errs, field.Invalid(at.Child("allocation"), validate.Internal(s.Allocation), apivalidation.FieldImmutableErrorMsg))
	}
	return errs
}

// validateReservations lets nobody reserve what is not allocated, nor somebody
// new what is being deleted.
func validateReservations(c, old *resourcev1.ResourceClaim, at *field.Path) field.ErrorList {
	if len(c.Status.ReservedFor) == 0 {
		return nil
	}
	if c.Status.Allocation == nil {
		return field.ErrorList{field.Forbidden(at, "may not be specified when `allocated` is not set")}
	}
	added := slices.ContainsFunc(c.Status.ReservedFor, func(r resourcev1.ResourceClaimConsumerReference) bool {
		return !slices.Contains(old.Status.ReservedFor, r)
	})
	if c.DeletionTimestamp != nil && added {
		return field.ErrorList{field.Forbidden(at, "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set")}
	}
	return nil
}

func validateConsumer(r resourcev1.ResourceClaimConsumerReference, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if r.Resource == "" {
		errs = append(errs, field.Required(at.Child("resource"), ""))
	}
	if r.Name == "" {
		errs = append(errs, field.Required(at.Child("name"), ""))
	}
	if r.UID == "" {
		errs = append(errs, field.Required(at.Child("uid"), ""))
	}
	return errs
}

func validateAllocation(a *resourcev1.AllocationResult, names requestNames, at *field.Path) field.ErrorList {
	devices := at.Child("devices")
	errs := slice(a.Devices.Results, resourcev1.AllocationResultsMaxSize, devices.Child("results"),
		func(r resourcev1.DeviceRequestAllocationResult, at *field.Path) field.ErrorList {
			return validateResult(&r, names, at)
		})
	// Configuration comes from the class and from the claim.
	errs = append(errs, slice(a.Devices.Config, 2*resourcev1.DeviceConfigMaxSize, devices.Child("config"),
		func(c resourcev1.DeviceAllocationConfiguration, at *field.Path) field.ErrorList {
			errs := validateSource(c.Source, at.Child("source"))
			errs = append(errs, validateRequestRefs(c.Requests, names, at.Child("requests"))...)
			return append(errs, validateConfiguration(&c.DeviceConfiguration, at)...)
		})...)
	if a.NodeSelector != nil {
		errs = append(errs, validate.NodeSelector(a.NodeSelector, false, at.Child("nodeSelector"))...)
	}
	return errs
}

func validateResult(r *resourcev1.DeviceRequestAllocationResult, names requestNames, at *field.Path) field.ErrorList {
	errs := validateRequestRef(r.Request, names, at.Child("request"))
	errs = append(errs, validate.CSIDriverName(r.Driver, at.Child("driver"))...)
	errs = append(errs, validatePoolName(r.Pool, at.Child("pool"))...)
	errs = append(errs, validate.DNSLabel(r.Device, at.Child("device"))...)
	errs = append(errs, validateBindingConditions(r.BindingConditions, r.BindingFailureConditions, at)...)
	errs = append(errs, validateTolerations(r.Tolerations, at.Child("tolerations"))...)
	if r.ShareID != nil {
		errs = append(errs, validateUID(string(*r.ShareID), at.Child("shareID"))...)
	}
	return errs
}

func validateSource(s resourcev1.AllocationConfigSource, at *field.Path) field.ErrorList {
	if s == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	return validate.OneOf(at, s, []resourcev1.AllocationConfigSource{resourcev1.AllocationConfigSourceClaim, resourcev1.AllocationConfigSourceClass})
}

func validateDeviceStatus(d *resourcev1.AllocatedDeviceStatus, allocated map[deviceID]bool, at *field.Path) field.ErrorList {
	errs := validate.CSIDriverName(d.Driver, at.Child("driver"))
	errs = append(errs, validatePoolName(d.Pool, at.Child("pool"))...)
	errs = append(errs, validate.DNSLabel(d.Device, at.Child("device"))...)
	if d.ShareID != nil {
		errs = append(errs, validateUID(*d.ShareID, at.Child("shareID"))...)
	}
	if id := statusID(d); !allocated[id] {
		errs = append(errs, field.Invalid(at, id, "must be an allocated device in the claim"))
	}
	conditions := at.Child("conditions")
	if len(d.Conditions) > resourcev1.AllocatedDeviceStatusMaxConditions {
		errs = append(errs, field.TooMany(conditions, len(d.Conditions), resourcev1.AllocatedDeviceStatusMaxConditions))
	}
	errs = append(errs, metav1validation.ValidateConditions(d.Conditions, conditions)...)
	if d.Data != nil && len(d.Data.Raw) > 0 {
		errs = append(errs, validateJSONObject(d.Data, resourcev1.AllocatedDeviceStatusDataMaxLength, at.Child("data"))...)
	}
	return append(errs, validateNetwork(d.NetworkData, at.Child("networkData"))...)
}

func validateNetwork(n *resourcev1.NetworkDeviceData, at *field.Path) field.ErrorList {
	if n == nil {
		return nil
	}
	var errs field.ErrorList
	if len(n.InterfaceName) > resourcev1.NetworkDeviceDataInterfaceNameMaxLength {
		errs = append(errs, field.TooLong(at.Child("interfaceName"), "", resourcev1.NetworkDeviceDataInterfaceNameMaxLength))
	}
	if len(n.HardwareAddress) > resourcev1.NetworkDeviceDataHardwareAddressMaxLength {
		errs = append(errs, field.TooLong(at.Child("hardwareAddress"), "", resourcev1.NetworkDeviceDataHardwareAddressMaxLength))
	}
	return append(errs, set(n.IPs, resourcev1.NetworkDeviceDataMaxIPs, itself, at.Child("ips"),
		func(address string, at *field.Path) field.ErrorList {
			return validation.IsValidInterfaceAddress(at, address)
		})...)
}
