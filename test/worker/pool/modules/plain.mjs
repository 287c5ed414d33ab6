// JavaScript, one function for every name.
export default (job) => ({ name: job.name, payload: job.payload });
