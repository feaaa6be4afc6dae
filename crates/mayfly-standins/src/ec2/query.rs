//! Reads requests in EC2's query protocol.

use std::collections::BTreeMap;

use mayfly_core::machine::Market;

use super::call::{Ec2Error, Filter, FleetCall, Override};

/// The members of a request, such as `Filter.1.Name`.
#[derive(Debug)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn read(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn required(&self, name: &str) -> Result<String, Ec2Error> {
        let missing = || {
            let message = format!("The request must contain the parameter {name}");
            Ec2Error::new(400, "MissingParameter", message)
        };
        self.get(name).map(str::to_owned).ok_or_else(missing)
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Ec2Error> {
        let read = |digits: &str| {
            digits.parse().map_err(|_| invalid(format!("Value ({digits}) for parameter {name} is invalid.")))
        };
        self.get(name).map(read).transpose()
    }

    /// The beginnings of the members of a list: `Filter.1`, `Filter.2`, …
    fn entries(&self, list: &str) -> Vec<String> {
        let entry = |number: usize| format!("{list}.{number}");
        let is_there = |entry: &String| {
            let inside = format!("{entry}.");
            self.0.keys().any(|name| name == entry || name.starts_with(&inside))
        };
        (1..=self.0.len()).map(entry).take_while(is_there).collect()
    }

    /// A `CreateFleet`. What the model does not know is an error, so that nothing is taken for tested that is not.
    pub(super) fn fleet_call(&self) -> Result<FleetCall, Ec2Error> {
        if self.get("Type") != Some("instant") {
            return Err(invalid("this stand-in starts fleets of type instant only"));
        }
        let template = "LaunchTemplateConfigs.1.LaunchTemplateSpecification";
        let market = self.market()?;
        let overrides = self.entries("LaunchTemplateConfigs.1.Overrides");
        let count = self.number("TargetCapacitySpecification.TotalTargetCapacity")?;
        Ok(FleetCall {
            token: self.required("ClientToken")?,
            launch_template: self.required(&format!("{template}.LaunchTemplateId"))?,
            version: self.required(&format!("{template}.Version"))?,
            market,
            overrides: overrides.iter().map(|entry| self.place(entry)).collect::<Result<_, _>>()?,
            count: count.ok_or_else(|| invalid("no target capacity"))?,
            tags: self.tags("instance")?,
            volume_tags: self.tags("volume")?,
        })
    }

    fn market(&self) -> Result<Market, Ec2Error> {
        let market = self.required("TargetCapacitySpecification.DefaultTargetCapacityType")?;
        let [strategy, interruption] =
            ["SpotOptions.AllocationStrategy", "SpotOptions.InstanceInterruptionBehavior"]
                .map(|name| self.get(name));
        let on_demand = self.get("OnDemandOptions.AllocationStrategy");
        match (market.as_str(), strategy, interruption, on_demand) {
            ("spot", Some("price-capacity-optimized"), Some("terminate"), None) => Ok(Market::Spot),
            ("on-demand", None, None, Some("lowest-price")) => Ok(Market::OnDemand),
            _ => Err(invalid("this stand-in knows no such way to buy")),
        }
    }

    fn place(&self, entry: &str) -> Result<Override, Ec2Error> {
        let disk = format!("{entry}.BlockDeviceMapping.1.Ebs");
        let size = self.number(&format!("{disk}.VolumeSize"))?;
        let of_disk = |name: &str| self.get(&format!("{disk}.{name}"));
        let kind = [of_disk("VolumeType"), of_disk("Encrypted"), of_disk("DeleteOnTermination")];
        if size.is_some() && kind != [Some("gp3"), Some("true"), Some("true")] {
            return Err(invalid("this stand-in has no such volumes"));
        }
        Ok(Override {
            instance_type: self.required(&format!("{entry}.InstanceType"))?,
            subnet: self.get(&format!("{entry}.SubnetId")).unwrap_or_default().to_owned(),
            image: self.required(&format!("{entry}.ImageId"))?,
            root_volume_gib: size,
        })
    }

    fn tags(&self, resource: &str) -> Result<BTreeMap<String, String>, Ec2Error> {
        let mut tags = BTreeMap::new();
        for specification in self.entries("TagSpecification") {
            if self.get(&format!("{specification}.ResourceType")) != Some(resource) {
                continue;
            }
            for tag in self.entries(&format!("{specification}.Tag")) {
                tags.insert(self.required(&format!("{tag}.Key"))?, self.required(&format!("{tag}.Value"))?);
            }
        }
        Ok(tags)
    }

    /// What a `DescribeInstances` is about.
    pub(super) fn filter(&self) -> Result<Filter, Ec2Error> {
        let ids = self.ids();
        if !ids.is_empty() {
            return Ok(Filter::Ids(ids));
        }
        let (mut tag, mut is_live) = (None, false);
        for entry in self.entries("Filter") {
            let name = self.required(&format!("{entry}.Name"))?;
            let values = self.values(&format!("{entry}.Value"));
            match (name.strip_prefix("tag:"), &values[..]) {
                (Some(name), [value]) if tag.is_none() => tag = Some((name.to_owned(), value.clone())),
                (None, [pending, running])
                    if name == "instance-state-name" && pending == "pending" && running == "running" =>
                {
                    is_live = true;
                }
                _ => {
                    return Err(invalid(
                        "this stand-in filters by one tag, and by what is pending or running",
                    ));
                }
            }
        }
        let (name, value) =
            tag.ok_or_else(|| invalid("this stand-in tells of machines by id or tag only"))?;
        Ok(if is_live { Filter::LiveTag(name, value) } else { Filter::Tag(name, value) })
    }

    /// The machines that are named.
    pub(super) fn ids(&self) -> Vec<String> {
        self.values("InstanceId")
    }

    fn values(&self, list: &str) -> Vec<String> {
        self.entries(list).iter().filter_map(|entry| self.get(entry)).map(str::to_owned).collect()
    }

    /// Where the page begins that is asked for.
    pub(super) fn page(&self) -> Result<usize, Ec2Error> {
        Ok(self.number("NextToken")?.unwrap_or(0))
    }
}

fn invalid(message: impl Into<String>) -> Ec2Error {
    Ec2Error::new(400, "InvalidParameterValue", message)
}
