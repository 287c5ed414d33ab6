export default (job) => ({ got: job.payload, attempts: job.attempts });
